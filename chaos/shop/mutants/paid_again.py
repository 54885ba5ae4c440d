"""An order that was paid and is being worked on can be paid once more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.orders import api


def _forgetful(reached: Reached, right: Any) -> Any:
    def pay(order: Any, *args: Any) -> Any:
        if order.paid:
            reached()
        return right(replace(order, paid=False), *args)

    return pay


MUTANT = Mutant(
    bug="Payment looks at the status alone, and PROCESSING does not tell whether it was paid.",
    breaks=("commands_take_effect_once", "only_allowed_steps", "acknowledged_has_its_event"),
    workloads=("wander",),
    switched_in=attribute(api, "pay", _forgetful),
)
