"""The orders' half of the transition table: every command and reaction from every state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from scenarios.decisions.given import LATER, STATES, now, order
from system.events import (
    EVENTS,
    OrderCanceled,
    OrderCreated,
    OrderEvent,
    OrderPaid,
    OrderStatus,
    OrderUpdated,
)
from system.events import ReservationState as Reservation
from system.kit.events import Event
from system.orders.model import (
    Order,
    TransitionForbidden,
    cancel,
    cancel_for_stock,
    note,
    pay,
    remove,
    set_status,
)

CREATED, PROCESSING = OrderStatus.CREATED, OrderStatus.PROCESSING
PAID, CANCELED = OrderStatus.PAID, OrderStatus.CANCELED


@dataclass(frozen=True)
class Then:
    """What comes of it: the state it leads to, and what is told."""

    status: OrderStatus
    paid: bool
    told: type[Event] | None


REFUSED = None

# fmt: off
COMMANDS: dict[str, tuple[Callable[[Order], tuple[Order, tuple[Event, ...]]], dict[str, Then | None]]] = {
    "pay": (lambda given: pay(given, "pix", now()), {
        "created":          Then(PAID, True, OrderPaid),
        "processing":       Then(PAID, True, OrderPaid),
        "processing, paid": REFUSED,
        "paid":             REFUSED,
        "canceled":         REFUSED,
        "canceled, paid":   REFUSED,
    }),
    "put PROCESSING": (lambda given: set_status(given, PROCESSING, now()), {
        "created":          Then(PROCESSING, False, OrderUpdated),
        "processing":       Then(PROCESSING, False, None),
        "processing, paid": Then(PROCESSING, True, None),
        "paid":             Then(PROCESSING, True, OrderUpdated),
        "canceled":         REFUSED,
        "canceled, paid":   REFUSED,
    }),
    "put CREATED": (lambda given: set_status(given, CREATED, now()), {
        "created":          Then(CREATED, False, None),
        "processing":       REFUSED,
        "processing, paid": REFUSED,
        "paid":             REFUSED,
        "canceled":         REFUSED,
        "canceled, paid":   REFUSED,
    }),
    "put PAID": (lambda given: set_status(given, PAID, now()), {
        "created":          REFUSED,
        "processing":       REFUSED,
        "processing, paid": REFUSED,
        "paid":             Then(PAID, True, None),
        "canceled":         REFUSED,
        "canceled, paid":   REFUSED,
    }),
    "put CANCELED": (lambda given: set_status(given, CANCELED, now()), {
        "created":          REFUSED,
        "processing":       REFUSED,
        "processing, paid": REFUSED,
        "paid":             REFUSED,
        "canceled":         Then(CANCELED, False, None),
        "canceled, paid":   Then(CANCELED, True, None),
    }),
    "cancel": (lambda given: cancel(given, "mine", now()), {
        "created":          Then(CANCELED, False, OrderCanceled),
        "processing":       REFUSED,
        "processing, paid": REFUSED,
        "paid":             REFUSED,
        "canceled":         REFUSED,
        "canceled, paid":   REFUSED,
    }),
    "stock.rejected": (lambda given: cancel_for_stock(given, "none left", now()), {
        "created":          Then(CANCELED, False, OrderCanceled),
        "processing":       Then(CANCELED, False, OrderCanceled),
        "processing, paid": Then(CANCELED, True, OrderCanceled),
        "paid":             Then(CANCELED, True, OrderCanceled),
        "canceled":         Then(CANCELED, False, None),
        "canceled, paid":   Then(CANCELED, True, None),
    }),
}
# fmt: on


ROWS = [
    pytest.param(state, command, then, id=f"{command} when {state}")
    for command, (_, table) in COMMANDS.items()
    for state, then in table.items()
]


def test_the_table_is_whole() -> None:
    for command, (_, table) in COMMANDS.items():
        assert table.keys() == STATES.keys(), command
    missing = set(OrderStatus) ^ {state.status for state in STATES.values()}
    assert not missing, f"give STATES, and each of COMMANDS, a line for {missing}"


def test_the_table_has_every_event_of_an_order() -> None:
    told = {then.told for _, table in COMMANDS.values() for then in table.values() if then}

    events = {event for event in EVENTS if issubclass(event, OrderEvent)} - {OrderCreated}
    wrong = events ^ (told - {None})
    assert not wrong, f"let lines of COMMANDS tell the events of an order, and no others: {wrong}"


@pytest.mark.parametrize(("state", "command", "then"), ROWS)
def test_it_allows_what_the_table_allows(state: str, command: str, then: Then | None) -> None:
    given = STATES[state]
    decide, _ = COMMANDS[command]

    if then is None:
        with pytest.raises(TransitionForbidden, match="order 42"):
            decide(given)
        return
    after, told = decide(given)

    assert (after.status, after.paid) == (then.status, then.paid)
    assert [type(event) for event in told] == ([then.told] if then.told else [])
    if then.told is None:
        assert after == given


@pytest.mark.parametrize(("state", "command", "then"), ROWS)
def test_its_version_rises_if_and_only_if_something_is_told(
    state: str, command: str, then: Then | None
) -> None:
    if then is None:
        return
    given = STATES[state]
    after, told = COMMANDS[command][0](given)

    assert after.version == given.version + len(told)
    for event in told:
        assert isinstance(event, OrderEvent)
        assert not isinstance(event, OrderCreated)
        assert event.version == after.version
        assert event.occurred_at == after.updated_at == LATER
        assert (event.key, event.order_id, event.order.id) == (42, 42, 42)
        assert (event.order.status, event.order.paid) == (after.status, after.paid)
        assert event.order.items == given.items


Fields = dict[str, Any]  # each of its own type

WRITES: dict[str, Callable[[Order], Fields]] = {
    "pay": lambda _: {"payment_method": "pix"},
    "cancel": lambda given: {"cancel_reason": "mine", "refund_due": given.paid},
    "stock.rejected": lambda given: {"cancel_reason": "none left", "refund_due": given.paid},
}
"""What else a command that tells of something writes into the order, beside status and payment."""


@pytest.mark.parametrize(("state", "command", "then"), ROWS)
def test_it_writes_what_it_says_and_nothing_else(
    state: str, command: str, then: Then | None
) -> None:
    if then is None or then.told is None:
        return
    given = STATES[state]
    after, (event,) = COMMANDS[command][0](given)
    writes = WRITES[command](given) if command in WRITES else {}

    known: Fields = {"status": then.status, "paid": then.paid, "version": 5, "updated_at": LATER}
    changed = {
        field.name
        for field in fields(Order)
        if getattr(after, field.name) != getattr(given, field.name)
    }
    assert changed <= known.keys() | writes.keys(), f"say in WRITES what {command!r} writes"
    assert after == replace(given, **known, **writes)
    assert isinstance(event, OrderEvent)
    for name, value in writes.items():
        assert getattr(event.order, name) == value


@pytest.mark.parametrize("paid", [False, True])
def test_a_refund_is_due_if_and_only_if_what_ends_was_paid(paid: bool) -> None:
    given = order(PROCESSING, paid=paid)

    canceled, (told,) = cancel_for_stock(given, "none left", now())
    _, (deleted,) = remove(given, now())

    assert canceled.refund_due is told.refund_due is told.order.refund_due is paid
    assert deleted.refund_due is paid


def test_the_first_reason_stays() -> None:
    given = order(CANCELED, cancel_reason="first")
    after, told = cancel_for_stock(given, "none left", now())
    assert (after.cancel_reason, told) == ("first", ())


def test_the_reason_of_the_stock_becomes_the_orders() -> None:
    after, (told,) = cancel_for_stock(order(), "none left", now())
    assert after.cancel_reason == told.reason == told.order.cancel_reason == "none left"


@pytest.mark.parametrize("state", STATES)
def test_it_can_be_deleted_in_whatever_state(state: str) -> None:
    given = STATES[state]
    _, (deleted,) = remove(given, now())
    assert (deleted.key, deleted.version) == (given.id, given.version + 1)
    assert deleted.items == given.items
    assert deleted.refund_due is given.paid


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    ("known", "news", "noted"),
    [
        ((Reservation.PENDING, 0), (Reservation.RESERVED, 1), (Reservation.RESERVED, 1)),
        ((Reservation.PENDING, 0), (Reservation.RELEASED, 2), (Reservation.RELEASED, 2)),
        ((Reservation.PENDING, 0), (Reservation.REJECTED, 1), (Reservation.REJECTED, 1)),
        ((Reservation.RESERVED, 1), (Reservation.RELEASED, 2), (Reservation.RELEASED, 2)),
        ((Reservation.RELEASED, 2), (Reservation.RESERVED, 1), (Reservation.RELEASED, 2)),
        ((Reservation.RESERVED, 1), (Reservation.RESERVED, 1), (Reservation.RESERVED, 1)),
        ((Reservation.REJECTED, 1), (Reservation.REJECTED, 1), (Reservation.REJECTED, 1)),
    ],
)
def test_it_notes_news_of_its_stock_and_no_old_news(
    state: str,
    known: tuple[Reservation, int],
    news: tuple[Reservation, int],
    noted: tuple[Reservation, int],
) -> None:
    given = replace(STATES[state], reservation=known[0], reservation_version=known[1])

    after = note(given, *news)

    assert (after.reservation, after.reservation_version) == noted
    assert replace(after, reservation=known[0], reservation_version=known[1]) == given
