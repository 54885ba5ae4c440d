"""Stock is read, changed in memory and written back, with no lock in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import select

from chaos.kit.simulated.mutant import Mutant, Reached, Switch, handlers, middleware
from system.events import OrderCreated, ReservationState
from system.kit.chains import ChainParts
from system.kit.delivery import inbox
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.delivery.middleware.handled import Handler
from system.kit.events import Envelope
from system.kit.ports.work import UnitOfWork
from system.products import store
from system.products.model import Reservation, Stock, reserve, wanted


def _unlocked(reached: Reached, _: Handler) -> Handler:
    async def reserve_stock(batch: Sequence[Envelope[OrderCreated]], unit: UnitOfWork) -> None:
        rows = await unit.sql.execute(select(store.stock))
        stock = {row.product_id: Stock(**row._mapping) for row in rows}
        decided = await store.lock_reservations(unit, [one.event.order_id for one in batch])
        for envelope in batch:
            id = envelope.event.order_id
            if id in decided:
                continue
            reached()
            lines = wanted(envelope.event.order.items)
            (made, taken), told = reserve(id, lines, stock, unit.now)
            held = made if made.state is ReservationState.RESERVED else replace(made, lines={})
            await store.insert_reservations(unit, [Reservation(id, held.state, 1, held.lines)])
            await store.save_stock(unit, taken)
            stock |= {left.product_id: left for left in taken}
            for event in told:
                unit.emit(event, because=envelope.consequence)

    return reserve_stock


def _inbox_last(_: Reached, made_of: ChainParts, __: Middleware) -> list[Middleware]:
    """The inbox row would lock SQLite's one lock too early: here it comes after the effect."""

    def around(step: Step) -> Step:
        async def afterwards(batch: Batch) -> None:
            assert batch.work is not None, "it stands inside of transactional"
            unit, ids = batch.work, {one.event.event_id: one for one in batch.envelopes}
            seen = await inbox.known(unit.sql, made_of.consumer, ids)
            fresh = {id: one for id, one in ids.items() if id not in seen}
            if fresh:
                await step(replace(batch, envelopes=tuple(fresh.values())))
                await inbox.remember(unit.sql, made_of.consumer, fresh, unit.now.at)

        return afterwards

    return [around]


@contextmanager
def _switched_in(reached: Reached) -> Iterator[Switch]:
    with (
        handlers({OrderCreated: _unlocked})(reached) as rows,
        middleware("inboxed", _inbox_last)(reached) as chain,
    ):
        yield Switch(lambda right: chain.blueprint(rows.blueprint(right)))


MUTANT = Mutant(
    bug="Two orders read the same stock, and the second write undoes the first.",
    breaks=("amounts_conserved", "amounts_are_held_by_things", "no_phantom_event"),
    workloads=("orders", "together"),
    switched_in=_switched_in,
)
