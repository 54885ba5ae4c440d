"""A new generation of views goes live at once, wherever it has come."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attributes
from system.kit.adapters.embedded.views import EmbeddedViewStore
from system.kit.views.generations import Projecting


def _too_early(reached: Reached, right: Any) -> Any:
    async def switch_when_built(self: Any, generations: Any, building: int, *more: Any) -> None:
        if generations.live is None:
            await right(self, generations, building, *more)
        else:
            reached()
            await self._switch(generations, building)

    return switch_when_built


def _asked_for_no_freeze(_: Reached, right: Any) -> Any:
    async def switch(self: Any, old: Any, new: Any, *, freeze: str | None = None) -> bool:
        if freeze is None and old.live not in (None, new.live):
            freeze = await self.freeze(old.live, 1.0)
        done: bool = await right(self, old, new, freeze=freeze)
        return done

    return switch


MUTANT = Mutant(
    bug="Readers go back to wherever the rebuild has come: nothing is frozen and nothing waited for.",
    breaks=("readers_never_go_back",),
    workloads=("rebuild",),
    switched_in=attributes(
        (Projecting, "_switch_when_built", _too_early),
        (EmbeddedViewStore, "switch", _asked_for_no_freeze),
    ),
    point_faults=("error@queries:log.subscribe:*",),
)
