"""A scenario on real servers: one fault, its visible proof, and its recovery time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from chaos.kit.servers.timeline import Timeline

LOOK_S = 0.05

StageT = TypeVar("StageT")


class NothingHappened(Exception):
    """The fault left no trace where the scenario looked for it, so the run has shown nothing."""


class NotInjected(Exception):
    """A fault could not be injected, or not be healed. One line that says what failed."""


class NotAsPromised(Exception):
    """The system did not do what the scenario shows. One line that says what was seen."""


@dataclass
class Course:
    """What a scenario says while it is played."""

    timeline: Timeline
    faults: int = 0
    seen: list[str] = field(default_factory=list)
    recovery_s: float | None = None
    """From the first good answer of what was healed until no lag was left."""

    @contextmanager
    def fault(self, what: str) -> Iterator[None]:
        """Note when a fault begins and when it is healed."""
        self.faults += 1
        self.timeline.note("fault", what)
        try:
            yield
        finally:
            self.timeline.note("healed", what)

    def saw(self, is_so: object, what: str) -> None:
        """Give a proof that the fault was there. Raises NothingHappened."""
        if not is_so:
            raise NothingHappened(f"not seen: {what}")
        self.seen.append(what)
        self.timeline.note("seen", what)

    def holds(self, is_so: object, what: str) -> None:
        """Say what the system does under the fault. Raises NotAsPromised."""
        if not is_so:
            raise NotAsPromised(f"does not hold: {what}")
        self.timeline.note("holds", what)

    async def recovers(
        self,
        answers: Callable[[], Awaitable[bool]],
        lag: Callable[[], Awaitable[int]],
        *,
        within_s: float,
    ) -> None:
        """Measure the recovery. Raises NotAsPromised when it takes longer than `within_s`.

        1. What was healed gives its first good answer: the clock starts.
        2. No lag is left: it stops. Whatever a server or a process needs to start is not counted.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + within_s
        while not await answers():
            if loop.time() > ends_at:
                raise NotAsPromised(f"no good answer within {within_s:g} s of the repair")
            await asyncio.sleep(LOOK_S)
        began_s = loop.time()
        while behind := await lag():
            if loop.time() > ends_at:
                raise NotAsPromised(f"{behind} events behind, {within_s:g} s after the repair")
            await asyncio.sleep(LOOK_S)
        self.recovery_s = loop.time() - began_s
        self.timeline.note("recovered", f"no lag {self.recovery_s:.2f} s after the first answer")


@dataclass(frozen=True, slots=True)
class Scenario(Generic[StageT]):
    """One fault on a stage: a system under test with all that can be done to it."""

    name: str
    shows: str
    """One sentence: the fault, and what the system does about it."""
    play: Callable[[StageT, Course], Awaitable[None]]
    may_pass_unseen: bool = False
    """Of faults by chance: no process may be there to notice."""
    brokers: int = 1
    """Of the system that it is played on."""

    async def run(self, stage: StageT, course: Course) -> None:
        """Play it. Raises NothingHappened when it gives no proof of its fault, and NotAsPromised."""
        await self.play(stage, course)
        if not course.seen and not self.may_pass_unseen:
            raise NothingHappened("it looked for no proof of its fault")
        if course.recovery_s is None:
            raise NothingHappened("it did not measure its recovery")
