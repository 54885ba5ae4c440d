"""Topics as the judge sees them: made, followed record by record, with the lag of every group."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.protocol import ConsumerProtocol, ConsumerProtocolMemberAssignment
from aiokafka.errors import TopicAlreadyExistsError

from chaos.kit.blackbox import Record, Topic

FOUND_S = 60.0
POLL_MS = 200


class Missed(Exception):
    """A topic is not there. One line."""


class Topics:
    """The judge's own clients, which come through no proxy."""

    def __init__(self, brokers: str, topics: Sequence[Topic]) -> None:
        self.records: list[Record] = []
        """All so far, in the order in which they came."""
        self._brokers = brokers
        self._topics = topics
        self._came = asyncio.Condition()
        self._partitions: list[TopicPartition] = []
        self._admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=brokers,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed",
        )
        self._following: asyncio.Task[None] | None = None

    async def make(self) -> None:
        """Make those that the system does not make itself."""
        await self._admin.start()
        wanted = {
            name: topic.partitions
            for topic in self._topics
            if not topic.made_by_the_system
            for name in filter(None, (topic.name, topic.dead_letters))
        }
        if wanted:
            with suppress(TopicAlreadyExistsError):
                await self._admin.create_topics(
                    [NewTopic(name, partitions, 1) for name, partitions in wanted.items()]
                )

    async def follow(self) -> None:
        """Read all from now on, from their beginnings. Raises Missed."""
        await self._consumer.start()
        names = {topic.name for topic in self._topics}
        ends_at = _now() + FOUND_S
        while missing := names - await self._consumer.topics():
            if _now() > ends_at:
                raise Missed(f"after {FOUND_S:g} s there is no topic {', '.join(sorted(missing))}")
            await asyncio.sleep(0.2)
        letters = {topic.dead_letters for topic in self._topics if topic.dead_letters}
        names |= letters & await self._consumer.topics()
        self._partitions = [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in await self._admin.describe_topics(sorted(names))
            for partition in topic["partitions"]
        ]
        self._consumer.assign(self._partitions)
        self._following = asyncio.create_task(self._follow(), name="follow topics")

    async def _follow(self) -> None:
        while True:
            found = await self._consumer.getmany(timeout_ms=POLL_MS)
            for records in found.values():
                self.records += [
                    Record(
                        record.topic,
                        record.partition,
                        record.offset,
                        record.key or b"",
                        record.value or b"",
                        dict(record.headers),
                        _now(),
                    )
                    for record in records
                ]
            if found:
                async with self._came:
                    self._came.notify_all()

    async def wait_for_one(
        self, topics: Collection[str], matters: Callable[[Record], bool]
    ) -> None:
        """Wait for the next record of these topics that matters."""
        seen = len(self.records)
        async with self._came:
            await self._came.wait_for(
                lambda: any(
                    record.topic in topics and matters(record) for record in self.records[seen:]
                )
            )

    async def put_in(self, topic: str, value: bytes) -> None:
        """Send a record that no part of the system has sent."""
        producer = AIOKafkaProducer(bootstrap_servers=self._brokers)
        await producer.start()
        try:
            await producer.send_and_wait(topic, value)
        finally:
            await producer.stop()

    async def ends(self) -> Mapping[TopicPartition, int]:
        if not self._partitions:
            return {}
        return dict(await self._consumer.end_offsets(self._partitions))

    async def is_read(self) -> bool:
        """Whether all that there is has come."""
        ends = await self.ends()
        return all([await self._consumer.position(place) >= end for place, end in ends.items()])

    async def lags(self, ends: Mapping[TopicPartition, int]) -> dict[str, int]:
        """Of each group that has not read everything: how much is left."""
        lags = {}
        for group in await self._groups():
            read = await self._committed(group)
            topics = {place.topic for place in read}
            lag = sum(
                max(0, end - read.get(place, 0))
                for place, end in ends.items()
                if place.topic in topics
            )
            if lag:
                lags[group] = lag
        return lags

    async def without_lag(self, ends: Mapping[TopicPartition, int]) -> list[str]:
        """Why lags cannot be seen: what a group never commits counts as read in `lags`."""
        groups = await self._groups()
        if not groups:
            return ["no group of consumers was seen"]
        written = {place.topic for place, end in ends.items() if end}
        reasons = []
        for group in groups:
            committed = {place.topic for place in await self._committed(group)}
            assigned = await self._assigned(group)
            if not committed and not assigned:
                reasons.append(f"group {group} commits no offset")
            reasons += [
                f"group {group} commits no offset of {topic}"
                for topic in sorted(assigned & written - committed)
            ]
        return reasons

    async def _groups(self) -> list[str]:
        return sorted(str(group) for group, *_ in await self._admin.list_consumer_groups())

    async def _committed(self, group: str) -> dict[TopicPartition, int]:
        offsets = await self._admin.list_consumer_group_offsets(group)
        return {place: found.offset for place, found in offsets.items() if found.offset >= 0}

    async def _assigned(self, group: str) -> set[str]:
        """The topics that its members read now."""
        return {
            place.topic
            for response in await self._admin.describe_consumer_groups([group])
            for _, _, _, kind, _, members, *_ in response.groups
            if kind == ConsumerProtocol.PROTOCOL_TYPE
            for *_, assignment in members
            if assignment
            for place in ConsumerProtocolMemberAssignment.decode(assignment).partitions()
        }

    async def close(self) -> None:
        if self._following is not None:
            self._following.cancel()
            with suppress(asyncio.CancelledError):
                await self._following
        await self._consumer.stop()
        await self._admin.close()


def _now() -> float:
    return asyncio.get_running_loop().time()
