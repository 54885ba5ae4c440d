"""The saga without its compensation: a canceled order keeps its stock."""

from __future__ import annotations

from chaos.kit.simulated.mutant import Mutant, handlers, ignored
from system.events import OrderCanceled

MUTANT = Mutant(
    bug="Nobody handles order.canceled: what a canceled order holds is lost for all others.",
    breaks=("ended_things_hold_nothing",),
    workloads=("orders",),
    switched_in=handlers({OrderCanceled: ignored}),
)
