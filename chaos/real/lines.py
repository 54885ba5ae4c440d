"""The lines between the roles and their servers, which Toxiproxy can spoil."""

from __future__ import annotations

from scenarios.harness.servers import Toxiproxy

HOW = ("silent", "refused", "slow")
LATENCY_MS = 400
JITTER_MS = 300


class Line:
    """One line to one server, and one way in which it fails."""

    def __init__(self, toxiproxy: Toxiproxy, server: str, how: str) -> None:
        self._toxiproxy = toxiproxy
        self._server = server
        self._how = how

    async def pause(self) -> None:
        """Spoil it: connections that are there and new ones alike."""
        match self._how:
            case "silent":  # half-open: it takes everything and gives nothing, in both directions
                await self._toxiproxy.spoil(self._server, "timeout", timeout=0)
                await self._toxiproxy.spoil(self._server, "timeout", stream="upstream", timeout=0)
            case "refused":
                await self._toxiproxy.set_up(self._server, up=False)
            case "slow":
                await self._toxiproxy.spoil(
                    self._server, "latency", latency=LATENCY_MS, jitter=JITTER_MS
                )
            case _:
                raise ValueError(f"a line cannot be {self._how}")

    async def resume(self) -> None:
        await self._toxiproxy.heal()
