"""How services live in a process: they start, get ready, are asked to stop, finish what is in hand."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol

from system.kit.errors import Stopping


class Lifespan:
    """One process's life, shared by its services."""

    def __init__(self, waited_for: Collection[str] = ()) -> None:
        self.stopping = asyncio.Event()
        self.waited_for = set(waited_for)
        """Names of the services that are not ready yet."""
        self.all_ready = asyncio.Event()
        """Set once every service was ready at the same time."""

    def ready(self, name: str) -> None:
        self.waited_for.discard(name)
        if not self.waited_for:
            self.all_ready.set()

    def unready(self, name: str) -> None:
        self.waited_for.add(name)

    async def sleep(self, seconds: float, *wakes: asyncio.Event) -> None:
        """Wait that long, or until one of the events is set.

        Raises Stopping at once when the process is asked to stop.
        """
        waits = [asyncio.ensure_future(event.wait()) for event in (self.stopping, *wakes)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if self.stopping.is_set():
            raise Stopping


class Service(Protocol):
    """A relay, a consumer, an HTTP server: something that runs until the process stops."""

    name: str

    async def run(self, lifespan: Lifespan) -> None:
        """Return once `lifespan.stopping` is set and the work in hand is done, each wait bounded."""
        ...
