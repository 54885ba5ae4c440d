"""How stock reacts to orders. Each handler takes a batch of events and one transaction.

Locks are taken in one order everywhere: reservations, then stock, each by key. Whichever event of
an order comes first inserts its reservation, and that insert is the decision: whatever comes
later, or again, finds it.
"""

from __future__ import annotations

from collections.abc import Sequence

from system.events import OrderCanceled, OrderCreated, OrderDeleted, ReservationState
from system.kit.events import Envelope
from system.kit.ports.work import UnitOfWork
from system.products import store
from system.products.model import (
    ORDER_ENDED,
    Reservation,
    Stock,
    reject,
    release,
    reserve,
    wanted,
)


async def reserve_stock(batch: Sequence[Envelope[OrderCreated]], unit: UnitOfWork) -> None:
    """Reserve all that each new order wants, or reject it; stock never goes below zero."""
    decided = await store.lock_reservations(unit, [envelope.event.order_id for envelope in batch])
    fresh = {
        envelope.event.order_id: envelope
        for envelope in batch
        if envelope.event.order_id not in decided
    }
    lines = {id: wanted(envelope.event.order.items) for id, envelope in fresh.items()}
    # inserted as reserved before the stock is locked, for the sake of the lock order: a handler
    # of order.canceled that inserts the same row first must not wait for us while we wait for it.
    # They are not seen before the commit; those that get no stock are set to rejected below
    await store.insert_reservations(
        unit, [Reservation(id, ReservationState.RESERVED, 1, lines[id]) for id in sorted(fresh)]
    )
    stock = await store.lock_stock(unit, {product for held in lines.values() for product in held})
    changed: dict[int, Stock] = {}
    rejected = []
    for id, envelope in fresh.items():
        (reservation, taken), events = reserve(id, lines[id], stock, unit.now)
        if reservation.state is ReservationState.REJECTED:
            rejected.append(reservation)
        stock |= (moved := {left.product_id: left for left in taken})
        changed |= moved
        for event in events:
            unit.emit(event, because=envelope.consequence)
    await store.save_reservations(unit, rejected)
    await store.save_stock(unit, list(changed.values()))


async def release_stock(
    batch: Sequence[Envelope[OrderCanceled | OrderDeleted]], unit: UnitOfWork
) -> None:
    """Release the stock of each ended order. One that ended before it was reserved shall never be: it is void."""
    envelopes = {envelope.event.order_id: envelope for envelope in batch}
    decided = await store.lock_reservations(unit, list(envelopes))
    voids = []
    for id in sorted(envelopes.keys() - decided.keys()):
        (void, _), (rejected,) = reject(id, ORDER_ENDED, unit.now)
        voids.append(void)
        unit.emit(rejected, because=envelopes[id].consequence)
    await store.insert_reservations(unit, voids)
    held = {
        id: reservation
        for id, reservation in decided.items()
        if reservation.state is ReservationState.RESERVED
    }
    stock = await store.lock_stock(
        unit, {product for reservation in held.values() for product in reservation.lines}
    )
    changed: dict[int, Stock] = {}
    ended = []
    for id, reservation in held.items():
        (released, given), events = release(reservation, stock, unit.now)
        ended.append(released)
        stock |= (moved := {left.product_id: left for left in given})
        changed |= moved
        for event in events:
            unit.emit(event, because=envelopes[id].consequence)
    await store.save_reservations(unit, ended)
    await store.save_stock(unit, list(changed.values()))
