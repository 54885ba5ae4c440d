"""Simplification of the transition table: the void reservation of an early end is written, and no event tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, handlers
from system.events import OrderCanceled, OrderDeleted, StockRejected
from system.kit.delivery.middleware.handled import Handler
from system.kit.events import Event
from system.kit.ports.work import UnitOfWork


class _Silent:
    """A unit of work that tells of no rejection."""

    def __init__(self, unit: UnitOfWork, reached: Reached) -> None:
        self._unit = unit
        self._reached = reached

    def __getattr__(self, name: str) -> Any:  # whatever the unit has
        return getattr(self._unit, name)

    def emit(self, event: Event, **because: Any) -> None:
        if isinstance(event, StockRejected):
            self._reached()
        else:
            self._unit.emit(event, **because)


def _silent(reached: Reached, right: Handler) -> Handler:
    async def release(batch: Sequence[Any], unit: Any) -> None:
        await right(batch, _Silent(unit, reached))

    return release


MUTANT = Mutant(
    bug="The void reservation of an order that ended early emits no stock.rejected: its order never notes it.",
    breaks=("notes_agree", "no_lost_event"),
    workloads=("endings", "orders"),
    switched_in=handlers({OrderCanceled: _silent, OrderDeleted: _silent}),
)
