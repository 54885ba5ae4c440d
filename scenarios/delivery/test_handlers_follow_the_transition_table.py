"""The reactions of the transition table, on the real tables: whatever comes first decides.

Every event meets every state that it can find, alone, again, and as one batch with another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from scenarios.decisions.given import now
from scenarios.decisions.given import order as given_order
from scenarios.delivery.bench import CAUSE, Bench, bench, in_virtual_time
from system.events import (
    Name,
    OrderCanceled,
    OrderCreated,
    OrderDeleted,
    OrderItem,
    OrderStatus,
    StockRejected,
    StockReleased,
    StockReserved,
)
from system.events import ReservationState as State
from system.kit.delivery import outbox
from system.kit.events import Envelope, Event
from system.kit.ports.work import UnitOfWork
from system.kit.values import loads
from system.orders import handlers as order_handlers
from system.orders import model as orders
from system.orders import store as order_store
from system.products import handlers as product_handlers
from system.products import model as products
from system.products import store as product_store
from system.products.model import OfferProduct, Reservation
from system.users import store as user_store
from system.users.model import RegisterUser

STOCK = 10
GONE = 4711
"""A product that is not there."""


def item(product_id: int, quantity: int) -> OrderItem:
    return OrderItem(product_id=product_id, quantity=quantity, unit_price=Decimal("1.00"))


def order(id: int, *items: OrderItem) -> orders.Order:
    return replace(given_order(), id=id, items=items)


def created(id: int, *items: OrderItem) -> OrderCreated:
    names = tuple(Name(id=line.product_id, name="Lamp", version=1) for line in items)
    draft = orders.Draft(Name(id=1, name="Ada", version=1), names, items, Decimal(1))
    return orders.place(id, draft, now())[1][0]


def canceled(id: int, *items: OrderItem) -> OrderCanceled:
    return orders.cancel(order(id, *items), "mine", now())[1][0]


def deleted(id: int, *items: OrderItem) -> OrderDeleted:
    return orders.remove(order(id, *items), now())[1][0]


async def handle(it: Bench, handler: Any, *events: Event) -> list[dict[str, Any]]:
    """Hand a batch to a handler in one transaction; the events that it emits."""
    async with it.parts.work() as unit:
        before = {row.id for row in await _unsent(unit)}
        await handler([Envelope(event, CAUSE) for event in events], unit)
    async with it.parts.work() as unit:
        new = [row for row in await _unsent(unit) if row.id not in before]
    return [{"type": row.message.topic, **loads(row.message.value)} for row in new]


async def _unsent(unit: UnitOfWork) -> list[outbox.Unsent]:
    found = []
    for aggregate in ("order", "product"):
        rows = await outbox.unsent(unit.sql, aggregate, limit=1000)
        found += sorted(rows, key=lambda row: row.id)
    return found


# --- the products' half -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Then:
    """What becomes of the reservation, by how much the stock changes, what is told."""

    state: State
    version: int
    change: int = 0
    told: Sequence[str] = ()


HELD = 3
RESERVED, RELEASED, REJECTED = State.RESERVED, State.RELEASED, State.REJECTED
NONE = None
AS_BEFORE: dict[State | None, Then] = {
    RESERVED: Then(RESERVED, 1),
    RELEASED: Then(RELEASED, 2),
    REJECTED: Then(REJECTED, 1),
}

# fmt: off
STOCK_TABLE: dict[str, dict[State | None, Then]] = {
    "order.created, enough stock":    {NONE: Then(RESERVED, 1, -HELD, ["stock.reserved"]), **AS_BEFORE},
    "order.created, too little":      {NONE: Then(REJECTED, 1, 0, ["stock.rejected"]), **AS_BEFORE},
    "order.created, a product gone":  {NONE: Then(REJECTED, 1, 0, ["stock.rejected"]), **AS_BEFORE},
    "order.canceled":                 {NONE: Then(REJECTED, 1, 0, ["stock.rejected"]), **AS_BEFORE,
                                       RESERVED: Then(RELEASED, 2, HELD, ["stock.released"])},
    "order.deleted":                  {NONE: Then(REJECTED, 1, 0, ["stock.rejected"]), **AS_BEFORE,
                                       RESERVED: Then(RELEASED, 2, HELD, ["stock.released"])},
}
# fmt: on

STOCK_ROWS = [
    pytest.param(when, state, then, id=f"{when}: {state or 'no reservation yet'}")
    for when, row in STOCK_TABLE.items()
    for state, then in row.items()
]


def stock_event(when: str, order_id: int, lamp: int) -> tuple[Any, Event]:
    match when:
        case "order.created, enough stock":
            return product_handlers.reserve_stock, created(order_id, item(lamp, HELD))
        case "order.created, too little":
            return product_handlers.reserve_stock, created(order_id, item(lamp, STOCK + 1))
        case "order.created, a product gone":
            return product_handlers.reserve_stock, created(order_id, item(lamp, 1), item(GONE, 1))
        case "order.canceled":
            return product_handlers.release_stock, canceled(order_id, item(lamp, HELD))
        case "order.deleted":
            return product_handlers.release_stock, deleted(order_id, item(lamp, HELD))
        case _:
            raise AssertionError(when)


async def given_reservation(it: Bench, order_id: int, state: State | None, lamp: int) -> None:
    if state is None:
        return
    version = 2 if state is RELEASED else 1
    lines = {} if state is REJECTED else {lamp: HELD}
    async with it.parts.work() as unit:
        await product_store.insert_reservations(
            unit, [Reservation(order_id, state, version, lines)]
        )


async def reservation(it: Bench, order_id: int) -> Reservation:
    async with it.parts.work() as unit:
        return (await product_store.lock_reservations(unit, [order_id]))[order_id]


async def given_lamp(it: Bench) -> int:
    async with it.parts.work() as unit:
        return await product_store.insert(unit, OfferProduct("Lamp", Decimal("1.00"), STOCK))


async def stock_of(it: Bench, product_id: int) -> products.Stock:
    async with it.parts.work() as unit:
        return (await product_store.lock_stock(unit, [product_id]))[product_id]


@pytest.mark.parametrize(("when", "state", "then"), STOCK_ROWS)
@pytest.mark.parametrize("times", [1, 2])
def test_whatever_comes_first_decides_the_reservation(
    when: str, state: State | None, then: Then, times: int
) -> None:
    @in_virtual_time
    async def decides() -> None:
        async with bench() as it:
            lamp = await given_lamp(it)
            await given_reservation(it, 42, state, lamp)
            handler, event = stock_event(when, 42, lamp)

            told: list[dict[str, Any]] = []
            for _ in range(times):  # a second time it finds what the first has decided
                told += await handle(it, handler, event)

            after = await reservation(it, 42)
            assert (after.state, after.version) == (then.state, then.version)
            left = await stock_of(it, lamp)
            assert left.on_hand == STOCK + then.change
            assert left.version == 1 + bool(then.change)
            assert [one["type"] for one in told] == list(then.told)
            for one in told:
                assert one["order_id"] == 42
                assert one["reservation"] == then.state
                assert one["reservation_version"] == then.version

    decides()


@pytest.mark.parametrize("beside", [NONE, RESERVED, RELEASED, REJECTED])
@pytest.mark.parametrize(("when", "state", "then"), STOCK_ROWS)
def test_a_neighbour_in_the_batch_changes_nothing_about_it(
    when: str, state: State | None, then: Then, beside: State | None
) -> None:
    @in_virtual_time
    async def decides() -> None:
        async with bench() as it:
            lamp = await given_lamp(it)
            await given_reservation(it, 42, state, lamp)
            await given_reservation(it, 43, beside, lamp)
            handler, event = stock_event(when, 42, lamp)
            _, neighbour = stock_event(when, 43, lamp)

            told = await handle(it, handler, event, neighbour)

            after = await reservation(it, 42)
            assert (after.state, after.version) == (then.state, then.version)
            assert [one["type"] for one in told if one["order_id"] == 42] == list(then.told)
            changes = then.change + STOCK_TABLE[when][beside].change
            assert (await stock_of(it, lamp)).on_hand == STOCK + changes
            versions = [one["stock_version"] for one in told if "stock_version" in one]
            assert len(set(versions)) == len(versions), "two moves of one product share a version"

    decides()


@in_virtual_time
async def test_orders_of_one_batch_get_what_those_before_them_left() -> None:
    async with bench() as it:
        lamp = await given_lamp(it)
        events = [created(id, item(lamp, 4)) for id in (1, 2, 3, 4)]

        told = await handle(it, product_handlers.reserve_stock, *events)

        assert [(event["order_id"], event["type"]) for event in told] == [
            (1, "stock.reserved"),
            (2, "stock.reserved"),
            (3, "stock.rejected"),
            (4, "stock.rejected"),
        ]
        assert [event["stock"] for event in told[:2]] == [6, 2]
        assert told[2]["missing"] == [{"product_id": lamp, "wanted": 4, "left": 2}]
        assert (await stock_of(it, lamp)).on_hand == 2


@in_virtual_time
async def test_a_release_passes_over_a_product_that_is_gone() -> None:
    async with bench() as it:
        lamp = await given_lamp(it)
        async with it.parts.work() as unit:
            held = Reservation(42, RESERVED, 1, {lamp: HELD, GONE: 1})
            await product_store.insert_reservations(unit, [held])

        told = await handle(it, product_handlers.release_stock, deleted(42, item(lamp, HELD)))

        assert [event["product_id"] for event in told] == [lamp]
        assert (await reservation(it, 42)).state is RELEASED
        assert (await stock_of(it, lamp)).on_hand == STOCK + HELD


# --- the orders' half -------------------------------------------------------------------------------

PENDING = (State.PENDING, 0)
NEWS: dict[str, tuple[Any, State, int]] = {
    "stock.reserved": (order_handlers.note_reservation, State.RESERVED, 1),
    "stock.released": (order_handlers.note_reservation, State.RELEASED, 2),
    "stock.rejected": (order_handlers.cancel_for_stock, State.REJECTED, 1),
}
ENDED_BY_STOCK = ("stock.rejected",)


def news(kind: str, order_id: int) -> Event:
    if kind == "stock.rejected":
        return products.reject(order_id, products.OUT_OF_STOCK, now())[1][0]
    _, state, version = NEWS[kind]
    told = {"stock.reserved": StockReserved, "stock.released": StockReleased}[kind]
    return told(
        event_id=now().new_id(),
        occurred_at=now().at,
        order_id=order_id,
        product_id=1,
        quantity=1,
        stock=1,
        stock_version=2,
        reservation=state,
        reservation_version=version,
    )


async def given_an_order(it: Bench, status: OrderStatus, *, paid: bool) -> orders.Order:
    async with it.parts.work() as unit:
        user_id = await user_store.insert(unit, RegisterUser("Ada", "ada@example.com"))
    lamp = await given_lamp(it)
    draft = orders.Draft(
        Name(id=user_id, name="Ada", version=1), (), (item(lamp, 1),), Decimal("1.00")
    )
    async with it.parts.work() as unit:
        (id,) = await order_store.insert_drafts(unit, [draft])
        placed = (await order_store.lock(unit, [id]))[id]
        reason = "first" if status is OrderStatus.CANCELED else None
        made = replace(placed, status=status, paid=paid, cancel_reason=reason)
        await order_store.save(unit, [made])
    return made


async def found(it: Bench, id: int) -> orders.Order | None:
    async with it.parts.work() as unit:
        return await order_store.find(unit, id)


@pytest.mark.parametrize("kind", NEWS)
@pytest.mark.parametrize("paid", [False, True])
@pytest.mark.parametrize("status", OrderStatus)
def test_news_of_the_stock_is_noted_and_a_rejection_ends_the_order(
    kind: str, status: OrderStatus, paid: bool
) -> None:
    @in_virtual_time
    async def reacts() -> None:
        handler, state, version = NEWS[kind]
        async with bench() as it:
            before = await given_an_order(it, status, paid=paid)

            told = await handle(it, handler, news(kind, before.id))
            told += await handle(it, handler, news(kind, before.id))

            after = await found(it, before.id)
            assert after is not None
            assert (after.reservation, after.reservation_version) == (state, version)
            if kind in ENDED_BY_STOCK and status is not OrderStatus.CANCELED:
                assert [event["type"] for event in told] == ["order.canceled"]
                assert after.status is OrderStatus.CANCELED
                assert after.cancel_reason == told[0]["reason"] == products.OUT_OF_STOCK
                assert after.refund_due is told[0]["refund_due"] is paid
                assert after.version == told[0]["version"] == before.version + 1
            else:
                assert told == []
                assert replace(after, reservation=PENDING[0], reservation_version=0) == before

    reacts()


@pytest.mark.parametrize("kind", NEWS)
@in_virtual_time
async def test_news_for_an_order_that_is_gone_needs_nothing(kind: str) -> None:
    async with bench() as it:
        there = await given_an_order(it, OrderStatus.CREATED, paid=False)
        told = await handle(it, NEWS[kind][0], news(kind, GONE), news(kind, there.id))
        assert [event["order_id"] for event in told] == [there.id] * len(told)
        after = await found(it, there.id)
        assert after is not None
        assert after.reservation is NEWS[kind][1]


@in_virtual_time
async def test_old_news_after_new_news_is_passed_over() -> None:
    async with bench() as it:
        before = await given_an_order(it, OrderStatus.CANCELED, paid=False)
        for kind in ("stock.released", "stock.reserved", "stock.reserved"):
            await handle(it, NEWS[kind][0], news(kind, before.id))
        after = await found(it, before.id)
        assert after is not None
        assert (after.reservation, after.reservation_version) == (State.RELEASED, 2)


@in_virtual_time
async def test_a_batch_that_tells_both_ends_with_the_newest() -> None:
    async with bench() as it:
        before = await given_an_order(it, OrderStatus.CANCELED, paid=False)
        rejected = news("stock.rejected", before.id)
        assert isinstance(rejected, StockRejected)
        events = [news("stock.released", before.id), news("stock.reserved", before.id)]
        await handle(it, order_handlers.note_reservation, *events)
        await handle(it, order_handlers.cancel_for_stock, rejected)
        after = await found(it, before.id)
        assert after is not None
        assert (after.reservation, after.reservation_version) == (State.RELEASED, 2)
        assert after.cancel_reason == "first"
