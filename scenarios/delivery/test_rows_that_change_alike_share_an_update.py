"""However many orders learn the same of their reservations, that is one UPDATE, so one trip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlalchemy import event

from scenarios.delivery.bench import Bench, bench, in_virtual_time
from system.events import Name, OrderItem, ReservationState
from system.kit.ports.work import UnitOfWork
from system.orders import store
from system.orders.model import Draft, Order
from system.products import store as product_store
from system.products.model import OfferProduct, Reservation
from system.users import store as user_store
from system.users.model import RegisterUser

MANY = 20


def updates(unit: UnitOfWork) -> list[object]:
    """The parameters of each UPDATE from here on; a list of them would be a trip each."""
    seen: list[object] = []

    def note(*of: Any) -> None:  # a connection, a cursor, SQL, parameters, a context, executemany
        _, _, statement, parameters, _, executemany = of
        if statement.startswith("UPDATE"):
            seen.extend(parameters if executemany else [parameters])

    event.listen(unit.sql.sync_connection, "before_cursor_execute", note)
    return seen


async def given_orders(it: Bench) -> Sequence[Order]:
    async with it.parts.work() as unit:
        ada = await user_store.insert(unit, RegisterUser("Ada", "ada@example.com"))
        lamp = await product_store.insert(unit, OfferProduct("Lamp", Decimal(1), 5))
        line = OrderItem(product_id=lamp, quantity=1, unit_price=Decimal(1))
        draft = Draft(Name(id=ada, name="Ada", version=1), (), (line,), Decimal(1))
        ids = await store.insert_drafts(unit, [draft] * MANY)
    async with it.parts.work() as unit:
        return list((await store.lock(unit, ids)).values())


@in_virtual_time
async def test_orders_that_learn_the_same() -> None:
    async with bench() as it:
        orders = await given_orders(it)
        noted = [
            replace(order, reservation=ReservationState.RESERVED, reservation_version=1)
            for order in orders
        ]
        async with it.parts.work() as unit:
            seen = updates(unit)
            await store.save_notes(unit, noted)
        async with it.parts.work() as unit:
            found = await store.lock(unit, [order.id for order in orders])
    assert len(seen) == 1
    assert list(found.values()) == noted


@in_virtual_time
async def test_each_order_gets_its_own_where_they_differ() -> None:
    async with bench() as it:
        first, *others = await given_orders(it)
        saved = [
            replace(first, payment_method="card", version=2),
            *(replace(order, payment_method="cash", version=2) for order in others),
        ]
        async with it.parts.work() as unit:
            seen = updates(unit)
            await store.save(unit, saved)
        async with it.parts.work() as unit:
            found = await store.lock(unit, [order.id for order in saved])
    assert len(seen) == 2
    assert list(found.values()) == saved


@in_virtual_time
async def test_reservations_that_are_rejected() -> None:
    async with bench() as it:
        made = [Reservation(id, ReservationState.RESERVED, 1, {7: id}) for id in range(1, MANY + 1)]
        rejected = [replace(one, state=ReservationState.REJECTED, lines={}) for one in made]
        async with it.parts.work() as unit:
            await product_store.insert_reservations(unit, made)
            seen = updates(unit)
            await product_store.save_reservations(unit, rejected)
        async with it.parts.work() as unit:
            found = await product_store.lock_reservations(unit, [one.order_id for one in made])
    assert len(seen) == 1
    assert list(found.values()) == rejected
