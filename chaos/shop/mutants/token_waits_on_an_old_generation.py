"""Whoever waits with a token asks once which views are live, and waits on those."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.views.freshness import Freshness


def _once(reached: Reached, right: Any) -> Any:
    async def views_for(self: Any, token: Any) -> Any:
        views = await self.live()

        async def live() -> Any:
            reached()
            return views

        waiting = Freshness(self._store, tuple(self._views.values()))
        waiting.live = live  # type: ignore[method-assign]
        return await right(waiting, token)

    return views_for


MUTANT = Mutant(
    bug="A rebuild switches while somebody waits: what they wait for is shown elsewhere by then.",
    breaks=("readers_never_go_back", "consistency_token_honoured"),
    workloads=("rebuild",),
    switched_in=attribute(Freshness, "views_for", _once),
)
