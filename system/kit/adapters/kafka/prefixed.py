"""Several systems on one broker: each has topics and groups under a prefix of its own.

The names are fixed in a system. They get the prefix on their way to the broker, and lose it on their
way back: nothing else knows of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

from system.kit.ports.log import Log, Message, Partition, Record, Revoked, Subscription


class PrefixedLog:
    """A client of the log that knows its own topics and groups only."""

    def __init__(self, log: Log, prefix: str) -> None:
        self._log = log
        self._prefix = prefix

    async def publish(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        return await self._log.publish(
            [_under(self._prefix + message.topic, message) for message in messages]
        )

    @asynccontextmanager
    async def subscribe(
        self, group: str, topics: Collection[str], revoked: Revoked
    ) -> AsyncIterator[Subscription]:
        async def revoked_here(partitions: frozenset[Partition]) -> None:
            await revoked(frozenset(map(self.here, partitions)))

        async with self._log.subscribe(
            self._prefix + group, self._all_out(topics), revoked_here
        ) as subscription:
            yield _PrefixedSubscription(subscription, self)

    async def read(self, *topics: str, start: int = 0) -> AsyncIterator[Record]:
        async for record in self._log.read(*self._all_out(topics), start=start):
            yield self.record_in(record)

    async def record(self, partition: Partition, offset: int) -> Record | None:
        found = await self._log.record(self.out(partition), offset)
        return None if found is None else self.record_in(found)

    async def committed(self, group: str) -> Mapping[Partition, int]:
        return self.offsets_in(await self._log.committed(self._prefix + group))

    async def ends(self, topics: Collection[str]) -> Mapping[Partition, int]:
        return self.offsets_in(await self._log.ends(self._all_out(topics)))

    async def ensure(self, topics: Collection[str]) -> None:
        await self._log.ensure(self._all_out(topics))

    def _all_out(self, topics: Collection[str]) -> Collection[str]:
        return [self._prefix + topic for topic in topics]

    def out(self, partition: Partition) -> Partition:
        return partition._replace(topic=self._prefix + partition.topic)

    def here(self, partition: Partition) -> Partition:
        return partition._replace(topic=partition.topic.removeprefix(self._prefix))

    def offsets_in(self, offsets: Mapping[Partition, int]) -> Mapping[Partition, int]:
        return {self.here(partition): offset for partition, offset in offsets.items()}

    def record_in(self, record: Record) -> Record:
        return _at(self.here(record.partition), record)


class _PrefixedSubscription:
    def __init__(self, subscription: Subscription, log: PrefixedLog) -> None:
        self._subscription = subscription
        self._log = log

    async def poll(
        self, *, full: Collection[Partition], timeout_s: float
    ) -> Mapping[Partition, Sequence[Record]]:
        found = await self._subscription.poll(
            full=[self._log.out(partition) for partition in full], timeout_s=timeout_s
        )
        return {
            (here := self._log.here(partition)): [_at(here, record) for record in records]
            for partition, records in found.items()
        }

    async def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        await self._subscription.commit(
            {self._log.out(partition): offset for partition, offset in next_offsets.items()}
        )

    async def seek(self, partition: Partition, offset: int) -> None:
        await self._subscription.seek(self._log.out(partition), offset)

    async def lag(self) -> Mapping[Partition, int]:
        return self._log.offsets_in(await self._subscription.lag())


def _under(topic: str, message: Message) -> Message:
    """Made whole: each message passes here, and `replace` takes four times as long."""
    return Message(topic, message.key, message.value, message.headers)


def _at(partition: Partition, record: Record) -> Record:
    message = _under(partition.topic, record.message)
    return Record(message, partition, record.offset, record.timestamp_ms, record.unreadable)
