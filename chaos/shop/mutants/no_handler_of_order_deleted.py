"""Simplification of the transition table: nobody handles order.deleted."""

from __future__ import annotations

from chaos.kit.simulated.mutant import Mutant, handlers, ignored
from system.events import OrderDeleted

MUTANT = Mutant(
    bug="An order that is deleted keeps its stock: only order.canceled releases any.",
    breaks=("ended_things_hold_nothing",),
    workloads=("endings",),
    switched_in=handlers({OrderDeleted: ignored}),
)
