"""Waiting for causes, with a deadline; never for time to pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

from system.kit.delivery import outbox
from system.kit.errors import Unavailable
from system.kit.ports.log import Log, Partition
from system.kit.ports.work import UnitOfWorkFactory

T = TypeVar("T")

DEADLINE_S = 30.0
"""Far more than any cause needs: who waits so long waits in vain."""
DEADLINE_ON_SERVERS_S = 90.0
"""A broker's sessions, rebalances and disks take their time, on a busy machine above all."""
LOOK_MIN_S, LOOK_MAX_S = 0.001, 0.01
_deadline_s = DEADLINE_S


def wait_at_most(seconds: float) -> None:
    """Set the deadline of this run's stack: the one place where stacks differ in it."""
    global _deadline_s  # noqa: PLW0603 (of a test run there is one)
    _deadline_s = seconds


def default_deadline_s() -> float:
    """How long to wait for a cause on this run's stack."""
    return _deadline_s


async def eventually(
    look: Callable[[], Awaitable[T]],
    is_so: Callable[[T], object] = bool,
    *,
    deadline_s: float | None = None,
) -> T:
    """Look again and again until it is so; what was seen then. Raises AssertionError.

    While a store cannot be asked, it is not so yet: a busy broker has no leaders for new topics.
    """
    loop = asyncio.get_running_loop()
    deadline_s = _deadline_s if deadline_s is None else deadline_s
    ends_at = loop.time() + deadline_s
    pause_s = LOOK_MIN_S
    while True:
        seen: T | Unavailable
        try:
            seen = await look()
            if is_so(seen):
                return seen
        except Unavailable as away:
            seen = away
        assert loop.time() < ends_at, f"not so within {deadline_s:g} s; last seen: {seen!r}"
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, LOOK_MAX_S)


@dataclass(frozen=True, slots=True)
class Reading:
    """A group, and the topics that it reads."""

    group: str
    topics: Collection[str]


@dataclass(frozen=True, slots=True)
class Waits:
    """What is still under way. Empty is settled."""

    unread: Mapping[str, int]
    unsent: Mapping[str, int]
    moved: bool = False

    def __bool__(self) -> bool:
        return bool(self.unread or self.unsent or self.moved)


async def waits(
    log: Log, work: UnitOfWorkFactory, readings: Collection[Reading], aggregates: Collection[str]
) -> Waits:
    """What these groups have not done yet, and what these aggregates' relays have not sent.

    1. Every group has committed up to the ends: all effects are there, with what they emitted.
    2. After that the outboxes are empty: what was emitted has been published.
    3. After that the ends have not moved: nothing was published that is not done.
    """
    ends = await _ends(log, readings)
    unread = {reading.group: await _unread(log, reading, ends) for reading in readings}
    unsent = {}
    async with work() as unit:
        for aggregate in aggregates:
            unsent[aggregate] = (await outbox.backlog(unit.sql, aggregate)).rows
    return Waits(
        {group: records for group, records in unread.items() if records},
        {aggregate: rows for aggregate, rows in unsent.items() if rows},
        moved=await _ends(log, readings) != ends,
    )


async def _ends(log: Log, readings: Collection[Reading]) -> Mapping[Partition, int]:
    return await log.ends({topic for reading in readings for topic in reading.topics})


async def _unread(log: Log, reading: Reading, ends: Mapping[Partition, int]) -> int:
    committed = await log.committed(reading.group)
    own = [place for place in ends if place.topic in reading.topics]
    return sum(ends[place] - committed.get(place, 0) for place in own)
