"""The old generation of views is dropped as soon as the new one is live."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.views.generations import Projecting


def _tidy(reached: Reached, right: Any) -> Any:
    async def switch(self: Any, generations: Any, building: int, *freeze: str) -> None:
        await right(self, generations, building, *freeze)
        if generations.live is not None:
            reached()
            await self._parts.store.clear(generations.live)

    return switch


MUTANT = Mutant(
    bug="A reader that still holds the old generation's number finds it empty.",
    breaks=("readers_never_go_back",),
    workloads=("rebuild",),
    switched_in=attribute(Projecting, "_switch", _tidy),
    timed_faults=tuple(f"late@queries:views.page:request:{nth}" for nth in range(2, 9)),
)
