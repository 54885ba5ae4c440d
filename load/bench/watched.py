"""A log whose progress is seen: what was acknowledged, and how far a group has committed.

So a figure counts without asking the stores, which would slow down what is measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from system.kit.ports.log import Log, Message, Partition, Record, Revoked, Subscription

DEADLINE_S = 120.0


@dataclass
class Progress:
    """Cumulative counts with their times, until a target is reached."""

    target: int
    done: int = 0
    marks: list[tuple[float, int]] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, more: int) -> None:
        if more <= 0:
            return
        self.done += more
        self.marks.append((asyncio.get_running_loop().time(), self.done))
        if self.done >= self.target:
            self.reached.set()

    async def wait(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await self.reached.wait()

    @property
    def rate(self) -> float:
        """A second, from the first mark on: joining a group and the like is no part of it."""
        (first_at, first), (last_at, last) = self.marks[0], self.marks[-1]
        return (last - first) / (last_at - first_at) if last_at > first_at else float("inf")


class WatchedLog:
    """Notes the acknowledged messages of a topic, or, where none is named, committed offsets."""

    def __init__(self, log: Log, progress: Progress, published: str | None) -> None:
        self._log = log
        self._progress = progress
        self._published = published

    async def publish(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        results = await self._log.publish(messages)
        if self._published is not None:
            outcomes = zip(messages, results, strict=True)
            self._progress.note(
                sum(
                    error is None and message.topic == self._published
                    for message, error in outcomes
                )
            )
        return results

    @asynccontextmanager
    async def subscribe(
        self, group: str, topics: Collection[str], revoked: Revoked
    ) -> AsyncIterator[Subscription]:
        async with self._log.subscribe(group, topics, revoked) as subscription:
            if self._published is not None:
                yield subscription
                return
            before = await self._log.committed(group)
            yield _WatchedSubscription(subscription, self._progress, dict(before))

    def read(self, *topics: str, start: int = 0) -> AsyncIterator[Record]:
        return self._log.read(*topics, start=start)

    async def record(self, partition: Partition, offset: int) -> Record | None:
        return await self._log.record(partition, offset)

    async def committed(self, group: str) -> Mapping[Partition, int]:
        return await self._log.committed(group)

    async def ends(self, topics: Collection[str]) -> Mapping[Partition, int]:
        return await self._log.ends(topics)

    async def ensure(self, topics: Collection[str]) -> None:
        await self._log.ensure(topics)


class _WatchedSubscription:
    def __init__(
        self, subscription: Subscription, progress: Progress, known: dict[Partition, int]
    ) -> None:
        self._subscription = subscription
        self._progress = progress
        self._known = known

    async def poll(
        self, *, full: Collection[Partition], timeout_s: float
    ) -> Mapping[Partition, Sequence[Record]]:
        return await self._subscription.poll(full=full, timeout_s=timeout_s)

    async def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        await self._subscription.commit(next_offsets)
        more = 0
        for partition, offset in next_offsets.items():
            more += max(0, offset - self._known.get(partition, 0))
            self._known[partition] = max(offset, self._known.get(partition, 0))
        self._progress.note(more)

    async def seek(self, partition: Partition, offset: int) -> None:
        await self._subscription.seek(partition, offset)

    async def lag(self) -> Mapping[Partition, int]:
        return await self._subscription.lag()
