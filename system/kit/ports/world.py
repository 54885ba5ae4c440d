"""Time, identity and chance, injected, so that a run can be replayed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Protocol
from uuid import UUID


class World(Protocol):
    """The process's view of the world. Durations come from `loop.time()`, never from here."""

    random: Random

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        ...

    def new_id(self) -> UUID: ...


@dataclass(frozen=True, slots=True)
class Now:
    """The moment of a decision: one time for all that it changes, and ids for its events."""

    at: datetime
    new_id: Callable[[], UUID]

    @staticmethod
    def of(world: World) -> Now:
        return Now(world.now(), world.new_id)
