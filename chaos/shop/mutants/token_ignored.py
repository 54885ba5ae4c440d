"""A reader's consistency token is accepted and not looked at."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.views.freshness import Freshness


def _always(reached: Reached, _: Any) -> Any:
    async def show(*_: Any) -> bool:
        reached()
        return True

    return show


MUTANT = Mutant(
    bug="A reader does not see the write that it has just made.",
    breaks=("consistency_token_honoured",),
    workloads=("orders", "stock"),
    switched_in=attribute(Freshness, "_show", _always),
)
