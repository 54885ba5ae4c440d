"""Simplification of the transition table: an end that comes before the reservation leaves no void one."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.kit.simulated.mutant import Mutant, Reached, handlers
from system.events import OrderCanceled, OrderDeleted
from system.kit.delivery.middleware.handled import Handler
from system.kit.events import Envelope
from system.kit.ports.work import UnitOfWork
from system.products import store


def _only_decided(reached: Reached, right: Handler) -> Handler:
    async def release(batch: Sequence[Envelope[OrderCanceled]], unit: UnitOfWork) -> None:
        ids = [envelope.event.order_id for envelope in batch]
        decided = await store.lock_reservations(unit, ids)
        late = [envelope for envelope in batch if envelope.event.order_id in decided]
        if len(late) < len(batch):
            reached()
        if late:
            await right(late, unit)

    return release


MUTANT = Mutant(
    bug="An order canceled or deleted before its creation is handled is reserved stock afterwards.",
    breaks=("ended_things_hold_nothing",),
    workloads=("endings", "orders"),
    switched_in=handlers({OrderCanceled: _only_decided, OrderDeleted: _only_decided}),
)
