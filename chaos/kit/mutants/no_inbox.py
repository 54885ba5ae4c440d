"""Handlers are called for every delivery."""

from __future__ import annotations

from chaos.kit.simulated.mutant import Mutant, Reached, middleware
from system.kit.chains import ChainParts
from system.kit.delivery.middleware import Middleware


def _left_out(reached: Reached, _: ChainParts, __: Middleware) -> list[Middleware]:
    reached()
    return []


MUTANT = Mutant(
    bug="There is no inbox: an event that is delivered twice takes effect twice.",
    breaks=("one_effect_per_cause",),
    switched_in=middleware("inboxed", _left_out),
)
