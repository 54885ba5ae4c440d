"""Simplification of the transition table: orders do not note that their stock was released."""

from __future__ import annotations

from chaos.kit.simulated.mutant import Mutant, handlers, ignored
from system.events import StockReleased

MUTANT = Mutant(
    bug="A canceled order says for ever that its stock is reserved.",
    breaks=("notes_agree",),
    workloads=("orders", "endings"),
    switched_in=handlers({StockReleased: ignored}),
)
