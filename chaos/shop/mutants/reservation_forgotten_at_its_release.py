"""A released reservation is deleted: there is nothing to hold any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete

from chaos.kit.simulated.mutant import Mutant, Reached, handlers
from system.events import OrderCanceled, OrderDeleted
from system.kit.delivery.middleware.handled import Handler
from system.products import store


def _tidy(reached: Reached, right: Handler) -> Handler:
    async def release(batch: Sequence[Any], unit: Any) -> None:
        await right(batch, unit)
        gone = delete(store.reservations).where(store.reservations.c.state == "released")
        if (await unit.sql.execute(gone)).rowcount:
            reached()

    return release


MUTANT = Mutant(
    bug="Without the row, a late order.created reserves again for an order that ended.",
    breaks=("final_states_reached",),
    workloads=("orders",),
    switched_in=handlers({OrderCanceled: _tidy, OrderDeleted: _tidy}),
)
