"""Parts: what one process is made of, whatever the stack. `stacks.py` makes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from system.kit.ports.log import Log
from system.kit.ports.views import ViewStore
from system.kit.ports.work import Probe, UnitOfWorkFactory
from system.kit.ports.world import World


class Commits:
    """Lets a commit wake the relay of its aggregate at once: of this process, or of one that rings."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}

    def of(self, aggregate: str) -> asyncio.Event:
        """Is set when events of this aggregate were committed. The relay that waits for it clears it."""
        return self._events.setdefault(aggregate, asyncio.Event())

    def notify(self, aggregates: Collection[str]) -> None:
        for aggregate in aggregates:
            if aggregate in self._events:
                self._events[aggregate].set()


class Prepare(Protocol):
    """Makes tables and topics, and asks the views to let it in. Raises Unavailable."""

    async def __call__(
        self, *, tables: bool = True, topics: bool = True, shows: bool = True
    ) -> None: ...


async def nothing_to_prepare(
    *, tables: bool = True, topics: bool = True, shows: bool = True
) -> None:
    """The embedded stack is ready once it is opened."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What one process is made of, whatever the stack."""

    work: UnitOfWorkFactory
    probe: Probe
    """A sign of life of the write model."""
    writable: Probe
    """Whether a writer gets to every table of it."""
    log: Callable[[str], Log]
    """The log's client of a role."""
    view_store: Callable[[], ViewStore]
    """Always the same one. Nothing of it is loaded before a role asks for it."""
    world: World
    commits: Commits
    connections_in_use: Callable[[], int] = lambda: 0
    prepare: Prepare = nothing_to_prepare

    @property
    def views(self) -> ViewStore:
        return self.view_store()
