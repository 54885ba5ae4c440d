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
    """How many are done, and how long it took, until a target is reached.

    The clock starts with the first note, and one of nothing will do: whoever works off a backlog
    notes 0 when its first batch is there. From the first batch that was *done* on, a backlog that
    is done in one would have taken no time at all.
    """

    target: int
    done: int = 0
    began_at: float | None = None
    last_at: float = 0.0
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, more: int) -> None:
        now = asyncio.get_running_loop().time()
        if self.began_at is None:
            self.began_at = now
        if more:
            self.done += more
            self.last_at = now
        if self.done >= self.target:
            self.reached.set()

    async def wait(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await self.reached.wait()

    @property
    def rate(self) -> float:
        """A second, from the first batch on: joining a group and the like is no part of it."""
        assert self.began_at is not None, "nothing was noted"
        return self.done / (self.last_at - self.began_at)


class WatchedLog:
    """Notes the acknowledged messages of a topic, or, where none is named, committed offsets."""

    def __init__(self, log: Log, progress: Progress, published: str | None) -> None:
        self._log = log
        self._progress = progress
        self._published = published

    async def publish(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        if self._published is not None:
            self._progress.note(0)
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
            before = None if self._published is not None else await self._log.committed(group)
            yield _WatchedSubscription(subscription, self._progress, before)

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
    """Notes committed offsets beyond those that were known before; None: it only starts the clock."""

    def __init__(
        self,
        subscription: Subscription,
        progress: Progress,
        before: Mapping[Partition, int] | None,
    ) -> None:
        self._subscription = subscription
        self._progress = progress
        self._known = None if before is None else dict(before)

    async def poll(
        self, *, full: Collection[Partition], timeout_s: float
    ) -> Mapping[Partition, Sequence[Record]]:
        polled = await self._subscription.poll(full=full, timeout_s=timeout_s)
        if any(polled.values()):
            self._progress.note(0)
        return polled

    async def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        await self._subscription.commit(next_offsets)
        if self._known is None:
            return
        more = 0
        for partition, offset in next_offsets.items():
            more += max(0, offset - self._known.get(partition, 0))
            self._known[partition] = max(offset, self._known.get(partition, 0))
        self._progress.note(more)

    async def seek(self, partition: Partition, offset: int) -> None:
        await self._subscription.seek(partition, offset)

    async def lag(self) -> Mapping[Partition, int]:
        return await self._subscription.lag()
