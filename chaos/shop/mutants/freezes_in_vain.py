"""A rebuild freezes the live views whenever it is near, and again as soon as it has failed to switch."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.views.generations import NEAR_S, Rehearsals


def _none(reached: Reached, _: Any) -> Any:
    async def took_s(*_: Any) -> float:
        reached()
        return NEAR_S

    return took_s


MUTANT = Mutant(
    bug="Readers with a token are refused for as long as a rebuild cannot come to its end.",
    breaks=("freezes_follow_progress",),
    workloads=("rebuild-with-dead-letters",),
    switched_in=attribute(Rehearsals, "took_s", _none),
    timed_faults=("outage@log:1.1:6",),
)
