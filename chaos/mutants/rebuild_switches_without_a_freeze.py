"""A new generation of views goes live as soon as it is near the end of the log."""

from __future__ import annotations

from typing import Any

from chaos.mutants.mutant import Mutant, Reached, attribute
from system.query.generations import Projecting


def _too_early(reached: Reached, right: Any) -> Any:
    async def switch_when_built(self: Any, generations: Any, building: int) -> None:
        if generations.live is None:
            await right(self, generations, building)
        elif await self._is_near(building):
            reached()
            await self._switch(generations, building)

    return switch_when_built


MUTANT = Mutant(
    bug="Readers go back to wherever the rebuild has come: nothing is frozen and nothing waited for.",
    breaks=("readers_never_go_back",),
    workloads=("rebuild",),
    switched_in=attribute(Projecting, "_switch_when_built", _too_early),
    strikes=("error@queries:log.subscribe:*",),
)
