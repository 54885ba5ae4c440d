"""The ways in which the nemesis of the endurance run spoils the lines to a server."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from chaos.kit.servers.lines import SILENCE, Lines, Toxic, latency

REFUSED = "refused"
TOXICS: Mapping[str, tuple[Toxic, ...]] = {
    "silent": SILENCE,
    "slow": (latency(400, jitter_ms=300),),
}
HOW = (*TOXICS, REFUSED)


class Line:
    """All lines to one server, and one way in which they fail."""

    def __init__(self, lines: Lines, server: str, how: str) -> None:
        self._lines = lines
        self._server = server
        self._how = how
        self._spoiled = AsyncExitStack()

    async def pause(self) -> None:
        """Spoil them: connections that are there and new ones alike."""
        await self._spoiled.enter_async_context(self._fault())

    def _fault(self) -> AbstractAsyncContextManager[object]:
        if self._how == REFUSED:
            return self._lines.cut(server=self._server)
        return self._lines.with_toxics(*TOXICS[self._how], server=self._server)

    async def resume(self) -> None:
        await self._spoiled.aclose()
