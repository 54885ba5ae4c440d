"""The tables of docs/order-life.md are true: each cell is held against the decision or the handler."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from scenarios.decisions.given import STATES
from scenarios.repository.markdown import ROOT
from scenarios.repository.order_life import CLIENTS, LEARNS, STOCK, Table, state_of
from system import events
from system.events import (
    OrderCanceled,
    OrderCreated,
    OrderDeleted,
    OrderItem,
    OrderStatus,
    ReservationState,
    StockMoved,
    StockRejected,
    StockReleased,
    StockReserved,
)
from system.kit import stacks
from system.kit.delivery.outbox import outbox
from system.kit.events import Cause, Envelope, Event
from system.kit.ports.work import UnitOfWorkFactory
from system.kit.ports.world import Now
from system.orders import handlers as order_handlers
from system.orders import model
from system.orders import store as order_store
from system.orders.model import Draft, Order, TransitionForbidden
from system.products import handlers as product_handlers
from system.products import store as product_store
from system.products.model import OfferProduct
from system.settings import Settings
from system.table import SHOP
from system.users import store as user_store
from system.users.model import RegisterUser


def cells(table: Table) -> list[tuple[str, str, str]]:
    return [(row, column, cell) for row, line in table.items() for column, cell in line.items()]


IDS = count(1)
NOW = Now(datetime(2026, 1, 31, 8, tzinfo=UTC), lambda: UUID(int=next(IDS)))


# --- what a client may do -------------------------------------------------------------------------


def a_draft(user_id: int, product_id: int) -> Draft:
    name = events.Name(id=user_id, name="Ada", version=1)
    return Draft(name, (), (a_line(product_id, 2),), Decimal(10))


def an_order(state: str) -> Order:
    status, paid = state_of(state)
    begun = model.begun(42, a_draft(1, 1), NOW)
    return replace(begun, status=OrderStatus(status), paid=paid, version=7)


def command(name: str, order: Order) -> tuple[Order | None, tuple[Event, ...]]:
    match name.split():
        case ["pay"]:
            return model.pay(order, "card", NOW)
        case ["set", status]:
            return model.set_status(order, OrderStatus(status), NOW)
        case ["cancel"]:
            return model.cancel(order, "too dark", NOW)
        case ["delete"]:
            return model.remove(order, NOW)
        case _:
            raise AssertionError(f"say here which decision the page's command {name!r} is")


def outcome(name: str, order: Order) -> str:
    try:
        after, told = command(name, order)
    except TransitionForbidden:
        return "409"
    if after == order and not told:
        return "unchanged"
    (event,) = told
    if after is None:
        assert isinstance(event, OrderDeleted)
        return f"gone `{event.type}`" + (", refund due" if event.refund_due else "")
    assert after.version == order.version + 1
    paid = ", paid" if after.paid and after.status is not OrderStatus.PAID else ""
    return f"{after.status}{paid} `{event.type}`"


@pytest.mark.parametrize(("name", "state", "cell"), cells(CLIENTS))
def test_what_a_client_may_do(name: str, state: str, cell: str) -> None:
    assert outcome(name, an_order(state)) == cell


OPENAPI = ROOT / "contracts/http/openapi/order-api.json"


def test_no_command_is_left_out() -> None:
    commands = {
        path.removeprefix("/orders/{id}/")
        for path in json.loads(OPENAPI.read_bytes())["paths"]
        if path.startswith("/orders/{id}/")
    }
    missing = commands - CLIENTS.keys()
    assert not missing, f"rows of the first table of docs/order-life.md: {missing}"


def test_no_status_that_can_be_set_is_left_out() -> None:
    missing = {f"set {status}" for status in OrderStatus} ^ {
        name for name in CLIENTS if name.startswith("set ")
    }
    assert not missing, f"rows of the first table of docs/order-life.md: {missing}"


def test_its_columns_are_the_states_that_orders_can_be_in() -> None:
    columns = {state_of(state) for line in CLIENTS.values() for state in line}

    wrong = columns ^ {(state.status, state.paid) for state in STATES.values()}
    assert not wrong, (
        "columns of the first table of docs/order-life.md and STATES of scenarios/decisions/given.py"
        f" differ in (status, whether it is paid): {wrong}; a paid one is `STATUS, paid`, but for PAID"
    )


@pytest.mark.parametrize("table", [CLIENTS, LEARNS], ids=["what clients may do", "what it learns"])
def test_no_status_that_an_order_can_have_is_left_out(table: Table) -> None:
    for name, line in table.items():
        missing = ({state_of(state)[0] for state in line} - {"gone"}) ^ set(OrderStatus)
        assert not missing, f"columns of docs/order-life.md's table with {name!r}: {missing}"


def test_no_event_of_an_order_is_left_out() -> None:
    emitted = {cell for _, _, cell in (*cells(CLIENTS), *cells(LEARNS))}
    emitted.add(f"`{OrderCreated.type}`")  # the page says it in a sentence below the table

    for event in events.EVENTS:
        if event.aggregate == "order":
            assert any(f"`{event.type}`" in cell for cell in emitted), (
                f"no cell of the tables of docs/order-life.md emits {event.type}"
            )


# --- what the stock decides, what the order learns ------------------------------------------------


@dataclass(frozen=True)
class Bench:
    """The write model, and the handlers, called by hand."""

    work: UnitOfWorkFactory
    user_id: int
    product_id: int

    async def handle(self, handler: Callable[..., Awaitable[None]], event: Event) -> list[str]:
        """Run a handler on one event; the types of the events that it emitted."""
        cause = Cause(uuid4(), None, "")
        before = len(await self._emitted())
        async with self.work() as unit:
            await handler([Envelope(event, cause)], unit)
        return (await self._emitted())[before:]

    async def _emitted(self) -> list[str]:
        async with self.work() as unit:
            statement = select(outbox.c.event_type).order_by(outbox.c.id)
            return list((await unit.sql.execute(statement)).scalars())

    async def left(self) -> int:
        async with self.work() as unit:
            found = await product_store.find(unit, self.product_id)
        assert found is not None
        return found[1].on_hand

    async def reservation(self, order_id: int) -> str:
        async with self.work() as unit:
            found = await product_store.lock_reservations(unit, [order_id])
        return found[order_id].state.value if order_id in found else "no reservation yet"

    async def order(self, status: OrderStatus) -> int:
        """A new order in that status; its id."""
        draft = a_draft(self.user_id, self.product_id)
        async with self.work() as unit:
            (id,) = await order_store.insert_drafts(unit, [draft])
            (order,) = (await order_store.lock(unit, [id])).values()
            paid = all(state.paid for state in STATES.values() if state.status is status)
            await order_store.save(unit, [replace(order, status=status, paid=paid)])
        return id

    async def find(self, order_id: int) -> Order | None:
        async with self.work() as unit:
            return await order_store.find(unit, order_id)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with stacks.embedded(Settings(), SHOP.all_topics) as parts:
        async with parts.work() as unit:
            user_id = await user_store.insert(unit, RegisterUser("Ada", "ada@example.com"))
            product_id = await product_store.insert(unit, OfferProduct("Lamp", Decimal(5), 10))
        yield Bench(parts.work, user_id, product_id)


def a_line(product_id: int, quantity: int) -> OrderItem:
    return OrderItem(product_id=product_id, quantity=quantity, unit_price=Decimal(5))


def fields_of(order: Order) -> dict[str, Any]:
    return {name: getattr(order, name) for name in events.Order.model_fields}


def of_order(kind: type[Event], order_id: int, line: OrderItem) -> Event:
    told = fields_of(an_order("CREATED"))
    name = events.Name(id=1, name="Ada", version=1)
    whole: dict[str, Any] = {
        "event_id": uuid4(),
        "occurred_at": NOW.at,
        "order_id": order_id,
        "version": 1,
        "order": {**told, "id": order_id, "items": (line,)},
        "items": (line,),
        "user_name": name.model_copy(update={"id": told["user_id"]}),
        "product_names": (name.model_copy(update={"id": line.product_id}),),
        "reason": None,
        "refund_due": False,
    }
    return kind.model_validate({field: whole[field] for field in kind.model_fields})


def stock_event(text: str, order_id: int, bench: Bench) -> tuple[Any, Event]:
    """The handler of the event that a row of the page names, and such an event."""
    match text.replace("`", "").split(", "):
        case ["order.created", "enough stock"]:
            line = a_line(bench.product_id, 2)
            return product_handlers.reserve_stock, of_order(OrderCreated, order_id, line)
        case ["order.created", "too little stock"]:
            line = a_line(bench.product_id, 1000)
            return product_handlers.reserve_stock, of_order(OrderCreated, order_id, line)
        case ["order.created", "a product is gone"]:
            line = a_line(999, 2)
            return product_handlers.reserve_stock, of_order(OrderCreated, order_id, line)
        case ["order.canceled"]:
            line = a_line(bench.product_id, 2)
            return product_handlers.release_stock, of_order(OrderCanceled, order_id, line)
        case ["order.deleted"]:
            line = a_line(bench.product_id, 2)
            return product_handlers.release_stock, of_order(OrderDeleted, order_id, line)
        case _:
            raise AssertionError(f"the page has an unknown event {text!r}")


BEFORE = {
    "no reservation yet": (),
    "reserved": ("`order.created`, enough stock",),
    "released": ("`order.created`, enough stock", "`order.canceled`"),
    "rejected": ("`order.created`, too little stock",),
}


@pytest.mark.parametrize(("event", "state", "cell"), cells(STOCK))
async def test_what_the_stock_decides(bench: Bench, event: str, state: str, cell: str) -> None:
    for earlier in BEFORE[state]:
        await bench.handle(*stock_event(earlier, 42, bench))
    assert await bench.reservation(42) == state

    emitted = await bench.handle(*stock_event(event, 42, bench))

    after = await bench.reservation(42)
    told = " ".join([after, *(f"`{type}`" for type in emitted)])
    assert (told if emitted else "nothing") == cell
    assert emitted or after == state
    assert await bench.left() == (8 if after == "reserved" else 10)


def rejected(order_id: int) -> StockRejected:
    return StockRejected(
        event_id=uuid4(),
        occurred_at=NOW.at,
        order_id=order_id,
        reason="out of stock",
        missing=(),
        reservation_version=1,
    )


def moved(kind: type[StockMoved], state: ReservationState, order_id: int) -> StockMoved:
    return kind(
        event_id=uuid4(),
        occurred_at=NOW.at,
        order_id=order_id,
        product_id=1,
        quantity=2,
        stock=8,
        stock_version=2,
        reservation=state,
        reservation_version=1,
    )


NOTES: Mapping[str, tuple[Any, Callable[[int], Event]]] = {
    "`stock.reserved`": (
        order_handlers.note_reservation,
        partial(moved, StockReserved, ReservationState.RESERVED),
    ),
    "`stock.released`": (
        order_handlers.note_reservation,
        partial(moved, StockReleased, ReservationState.RELEASED),
    ),
    "`stock.rejected`": (order_handlers.cancel_for_stock, rejected),
}


@pytest.mark.parametrize(("event", "state", "cell"), cells(LEARNS))
async def test_what_the_order_learns(bench: Bench, event: str, state: str, cell: str) -> None:
    handler, made = NOTES[event]
    id = 999 if state == "gone" else await bench.order(OrderStatus(state))
    before = await bench.find(id)

    emitted = await bench.handle(handler, made(id))

    after = await bench.find(id)
    assert told_of(before, after, emitted) == cell
    assert await bench.handle(handler, made(id)) == []  # the same once more changes nothing
    assert await bench.find(id) == after


def told_of(before: Order | None, after: Order | None, emitted: Sequence[str]) -> str:
    if before is None or after is None:
        assert (before, after, emitted) == (None, None, [])
        return "nothing"
    facts = []
    if after.status is not before.status:
        facts.append(" ".join([after.status, *(f"`{type}`" for type in emitted)]))
        assert after.refund_due == after.paid
        assert after.version == before.version + 1
    else:
        assert not emitted
        assert after.version == before.version
    if after.reservation is not before.reservation:
        facts.append("noted")
    return ", ".join(facts)
