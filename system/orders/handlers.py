"""How orders react to what the stock decided. Each handler takes a batch and one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from system.events import StockMoved, StockRejected
from system.kit.events import Envelope
from system.kit.ports.work import UnitOfWork
from system.orders import model, store


async def note_reservation(batch: Sequence[Envelope[StockMoved]], unit: UnitOfWork) -> None:
    """Note on each order what became of its reservation, if that is news."""
    before = await store.lock(unit, {envelope.event.order_id for envelope in batch})
    orders = dict(before)
    for envelope in batch:
        event = envelope.event
        if event.order_id in orders:
            orders[event.order_id] = model.note(
                orders[event.order_id], event.reservation, event.reservation_version
            )
    await store.save_notes(unit, [order for id, order in orders.items() if order != before[id]])


async def cancel_for_stock(batch: Sequence[Envelope[StockRejected]], unit: UnitOfWork) -> None:
    """Cancel each order that gets no stock, paid or not; one that is gone needs nothing."""
    before = await store.lock(unit, {envelope.event.order_id for envelope in batch})
    orders = dict(before)
    for envelope in batch:
        event = envelope.event
        if event.order_id not in orders:
            continue
        order = model.note(orders[event.order_id], event.reservation, event.reservation_version)
        orders[event.order_id], events = model.cancel_for_stock(order, event.reason, unit.now)
        for canceled in events:
            unit.emit(canceled, because=envelope.consequence)
    await store.save(unit, [order for id, order in orders.items() if order != before[id]])
