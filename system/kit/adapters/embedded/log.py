"""The embedded event log: Kafka's twin inside one process.

It keeps to what the application relies on: partitions chosen by key, prefixes, groups with
rebalances, committed offsets. Without a directory nothing outlives the process and no thread is
used, so that it also runs on a virtual clock. With one, a record is seen and acknowledged only
once it is on the disk; offsets are written but not synced, since losing some only repeats.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from system.kit.adapters.embedded.groups import Group, Member
from system.kit.adapters.embedded.journal import (
    DataDirectoryError,
    DirectoryLock,
    Journal,
    SharedWrites,
)
from system.kit.adapters.kafka.rules import fits, too_large
from system.kit.errors import Fenced, Unavailable
from system.kit.ports.log import (
    Message,
    Partition,
    Record,
    Revoked,
    Subscription,
    header_bytes,
    header_name,
)
from system.kit.ports.partitioner import partition_number

RECORDS_PER_POLL = 500
"""Of each partition, so that one with a long backlog starves no other."""
HEARTBEATS_PER_SESSION = 3


class EmbeddedBroker:
    """All topics and groups, shared by the clients of one process.

    Raises DataDirectoryError when the directory is in use, unusable or damaged.
    """

    def __init__(
        self,
        *,
        now_ms: Callable[[], int],
        partitions: int = 3,
        directory: Path | None = None,
        session_timeout_s: float = 3.0,
        rebalance_timeout_s: float = 30.0,
    ) -> None:
        self.heartbeat_s = session_timeout_s / HEARTBEATS_PER_SESSION
        self._now_ms = now_ms
        self._partitions = partitions
        self._session_timeout_s = session_timeout_s
        self._rebalance_timeout_s = rebalance_timeout_s
        self._records: dict[Partition, list[Record]] = {}
        self._topics: dict[str, tuple[Partition, ...]] = {}
        self._groups: dict[str, Group] = {}
        self._files = None if directory is None else _Files(directory, partitions)
        if self._files is not None:
            self._recover(self._files)

    def _recover(self, files: _Files) -> None:
        for topics, slots in files.recovered_log:
            self._add_topics(topics)
            self._append(slots)
        for group, offsets in files.recovered_offsets.items():
            self.group(group).committed.update(offsets)
        files.forget_recovered()

    def group(self, name: str) -> Group:
        if name not in self._groups:
            self._groups[name] = Group(
                self._partitions_of,
                session_timeout_s=self._session_timeout_s,
                rebalance_timeout_s=self._rebalance_timeout_s,
            )
        return self._groups[name]

    def committed(self, group: str) -> dict[Partition, int]:
        found = self._groups.get(group)
        return {} if found is None else dict(sorted(found.committed.items()))

    def end(self, partition: Partition) -> int:
        return len(self._records[partition])

    def records(self, partition: Partition, start: int, stop: int) -> list[Record]:
        return self._records[partition][start:stop]

    def partitions(self, topics: Collection[str]) -> list[Partition]:
        """The partitions of these topics, in order. Raises Unavailable for an unknown topic."""
        try:
            return [partition for topic in sorted(topics) for partition in self._topics[topic]]
        except KeyError as missing:
            raise Unavailable(f"there is no topic {missing.args[0]}") from None

    def _partitions_of(self, topic: str) -> Iterable[Partition]:
        """None for a topic that is not there: a group may wait for it."""
        return self._topics.get(topic, ())

    async def ensure(self, topics: Collection[str]) -> None:
        new = [topic for topic in sorted(topics) if topic not in self._topics]
        if not new:
            return

        def made() -> None:
            self._add_topics(new)
            now = asyncio.get_running_loop().time()
            for name in sorted(self._groups):
                if self._groups[name].reads(new):
                    self._groups[name].rebalance(now)

        if self._files is None:
            made()
        else:
            await self._files.log.write(_encoded(topics=new), made)

    async def publish(self, messages: Sequence[Message]) -> list[Exception | None]:
        outcomes, slots = self._admitted(messages)
        if not slots:
            return outcomes
        try:
            await self._store(slots)
        except Unavailable as error:
            return [outcome or error for outcome in outcomes]
        return outcomes

    def _admitted(self, messages: Sequence[Message]) -> tuple[list[Exception | None], list[_Slot]]:
        """Sort out what cannot be stored, and with it all that follows in its partition."""
        blocked: set[Partition] = set()
        outcomes: list[Exception | None] = []
        slots: list[_Slot] = []
        for message in messages:
            slot = _Slot(
                Partition(message.topic, partition_number(message.key, self._partitions)),
                self._now_ms(),
                message,
            )
            refusal = self._refusal(slot, blocked)
            outcomes.append(refusal)
            if refusal is None:
                slots.append(slot)
            else:
                blocked.add(slot.partition)
        return outcomes, slots

    def _refusal(self, slot: _Slot, blocked: Collection[Partition]) -> Exception | None:
        if slot.partition in blocked:
            return Unavailable("an earlier message of its partition was not stored")
        if slot.partition not in self._records:
            return Unavailable(f"there is no topic {slot.partition.topic}")
        message = slot.message
        return None if fits(message) else too_large(message, _compressed_bytes(message))

    async def _store(self, slots: Sequence[_Slot]) -> None:
        if self._files is None:
            self._append(slots)
        else:
            await self._files.log.write(_encoded(slots=slots), lambda: self._append(slots))

    def _add_topics(self, topics: Iterable[str]) -> None:
        for topic in topics:
            self._topics[topic] = tuple(Partition(topic, n) for n in range(self._partitions))
            for partition in self._topics[topic]:
                self._records.setdefault(partition, [])

    def _append(self, slots: Iterable[_Slot]) -> None:
        touched: dict[Partition, None] = {}
        for slot in slots:
            records = self._records[slot.partition]
            records.append(Record(slot.message, slot.partition, len(records), slot.timestamp_ms))
            touched[slot.partition] = None
        for name in sorted(self._groups):
            self._groups[name].notify(touched.keys())

    async def commit(
        self, group: str, member: Member, next_offsets: Mapping[Partition, int]
    ) -> None:
        """Raises Fenced. Raises Unavailable when it may not outlive the process."""
        self.group(group).commit(member, next_offsets)
        if self._files is not None and next_offsets:
            await self._files.offsets.write(_encoded_offsets(group, next_offsets), lambda: None)

    async def close(self) -> None:
        """Finish the writes under way and let the directory go."""
        if self._files is not None:
            await self._files.close()


class EmbeddedLog:
    """One process's client. The client id is its member id in every group."""

    def __init__(self, broker: EmbeddedBroker, client_id: str) -> None:
        self._broker = broker
        self._client_id = client_id

    async def publish(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        return await self._broker.publish(messages)

    @asynccontextmanager
    async def subscribe(
        self, group: str, topics: Collection[str], revoked: Revoked
    ) -> AsyncIterator[Subscription]:
        subscription = EmbeddedSubscription(
            self._broker, group, self._client_id, frozenset(topics), revoked
        )
        # Made here, in the caller's context: it stops when a simulation kills that process.
        heartbeat = asyncio.create_task(subscription.beat())
        try:
            yield subscription
        finally:
            try:
                await subscription.leave()
            finally:
                heartbeat.cancel()

    async def read(self, *topics: str, start: int = 0) -> AsyncIterator[Record]:
        ends = await self.ends(topics)
        for partition, end in ends.items():
            for first in range(start, end, RECORDS_PER_POLL):
                for record in self._broker.records(
                    partition, first, min(end, first + RECORDS_PER_POLL)
                ):
                    yield record
                await asyncio.sleep(0)

    async def record(self, partition: Partition, offset: int) -> Record | None:
        if not 0 <= offset < (await self.ends([partition.topic])).get(partition, 0):
            return None
        return self._broker.records(partition, offset, offset + 1)[0]

    async def committed(self, group: str) -> Mapping[Partition, int]:
        return self._broker.committed(group)

    async def ends(self, topics: Collection[str]) -> Mapping[Partition, int]:
        return {
            partition: self._broker.end(partition) for partition in self._broker.partitions(topics)
        }

    async def ensure(self, topics: Collection[str]) -> None:
        await self._broker.ensure(topics)


class EmbeddedSubscription:
    """One member's part of a group. A member that was expelled joins anew when it polls."""

    def __init__(
        self,
        broker: EmbeddedBroker,
        group: str,
        member_id: str,
        topics: frozenset[str],
        revoked: Revoked,
    ) -> None:
        self._broker = broker
        self._group_name = group
        self._group = broker.group(group)
        self._revoked = revoked
        self._member = self._join(member_id, topics)

    def _join(self, member_id: str, topics: frozenset[str]) -> Member:
        now = asyncio.get_running_loop().time()
        member = Member(member_id, topics, heard_at=now)
        self._group.join(member, now)
        return member

    async def beat(self) -> None:
        """Give signs of life, and look for members that give none."""
        loop = asyncio.get_running_loop()
        while True:
            self._member.heard_at = loop.time()
            # When the whole loop was held up, every member gives its sign before anyone judges.
            await asyncio.sleep(0)
            self._group.expel_silent(loop.time())
            await asyncio.sleep(self._broker.heartbeat_s)

    async def poll(
        self, *, full: Collection[Partition], timeout_s: float
    ) -> Mapping[Partition, Sequence[Record]]:
        """Raises Fenced when a later instance with the same id has this one's place."""
        ends_at = asyncio.get_running_loop().time() + timeout_s
        await asyncio.sleep(0)  # a poll that finds something must not starve the others
        while True:
            self._member.news.clear()
            await self._take_part()
            records = self._take(full)
            if records or not await self._news(ends_at):
                return records

    async def _take_part(self) -> None:
        """Do what the group waits for: let go in a rebalance, join again after an expulsion."""
        self._member.heard_at = asyncio.get_running_loop().time()
        if self._group.must_let_go(self._member):
            await self._revoke()
            self._group.let_go(self._member)
        if self._member not in self._group:
            await self._revoke()
            if self._group.is_replaced(self._member):
                raise Fenced(f"a later instance of {self._member.id} is in the group")
            if self._member not in self._group:
                self._member = self._join(self._member.id, self._member.topics)

    async def _revoke(self) -> None:
        if self._member.positions:
            await self._revoked(frozenset(self._member.positions))
            self._member.positions = {}

    def _take(self, full: Collection[Partition]) -> dict[Partition, list[Record]]:
        taken = {}
        positions = self._member.positions
        for partition, position in positions.items():
            end = self._broker.end(partition)
            if position == end or partition in full:
                continue
            # past the end are offsets of a log that is gone: from the earliest, as Kafka's clients
            start = position if position < end else 0
            records = self._broker.records(partition, start, start + RECORDS_PER_POLL)
            positions[partition] = start + len(records)
            if records:
                taken[partition] = records
        return taken

    async def _news(self, until: float) -> bool:
        """Wait for a reason to look again; whether there was one."""
        if asyncio.get_running_loop().time() >= until:
            return False
        try:
            async with asyncio.timeout_at(until):
                await self._member.news.wait()
        except TimeoutError:
            return False
        return True

    async def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        await self._broker.commit(self._group_name, self._member, next_offsets)

    async def seek(self, partition: Partition, offset: int) -> None:
        """Raises Fenced when the partition is someone else's by now."""
        if offset < 0:
            raise ValueError(f"no record has the offset {offset}")
        self._group.check_owned(self._member, [partition])
        self._member.positions[partition] = offset
        self._member.news.set()

    async def lag(self) -> Mapping[Partition, int]:
        if self._member not in self._group:
            return {}
        return {
            partition: max(0, self._broker.end(partition) - position)
            for partition, position in sorted(self._member.positions.items())
        }

    async def leave(self) -> None:
        try:
            await self._revoke()
        finally:
            self._group.leave(self._member, asyncio.get_running_loop().time())


@dataclass(frozen=True, slots=True)
class _Slot:
    """A message with its place, before it has an offset."""

    partition: Partition
    timestamp_ms: int
    message: Message


class _Files:
    """The journals of a data directory, and what they held at start."""

    def __init__(self, directory: Path, partitions: int) -> None:
        self._lock = DirectoryLock(directory)
        log = Journal(directory / "log.journal", b"log 1 %d\n" % partitions, synced=True)
        offsets = Journal(directory / "offsets.journal", b"offsets 1\n", synced=False)
        try:
            self.recovered_log = [_decoded(payload) for payload in log.open()]
            self.recovered_offsets = _decoded_offsets(offsets.open())
            offsets.rewrite(
                _encoded_offsets(group, next_offsets)
                for group, next_offsets in sorted(self.recovered_offsets.items())
            )
        except BaseException:
            log.close()
            offsets.close()
            self._lock.release()
            raise
        self.log = SharedWrites(log)
        self.offsets = SharedWrites(offsets)

    def forget_recovered(self) -> None:
        self.recovered_log = []
        self.recovered_offsets = {}

    async def close(self) -> None:
        await self.log.close()
        await self.offsets.close()
        self._lock.release()


def _compressed_bytes(message: Message) -> int:
    """In how many bytes Kafka's twin would store it, which keeps it as it is all the same."""
    return len(zlib.compress(_encoded(slots=[_Slot(Partition("", 0), 0, message)]), level=1))


_TOPIC, _RECORD = b"T", b"R"
_COUNT = struct.Struct(">I")
_PLACE = struct.Struct(">Hq")  # partition number, timestamp


def _encoded(*, topics: Iterable[str] = (), slots: Iterable[_Slot] = ()) -> bytes:
    """An entry of the log's journal. Entries may be joined: each part tells its own length."""
    parts: list[bytes] = []
    for topic in topics:
        parts += (_TOPIC, *_sized(topic.encode()))
    for slot in slots:
        message = slot.message
        parts += (_RECORD, *_sized(message.topic.encode()))
        parts += (_PLACE.pack(slot.partition.number, slot.timestamp_ms),)
        parts += (*_sized(message.key), *_sized(message.value))
        parts += (_COUNT.pack(len(message.headers)),)
        for name, value in message.headers:
            parts += (*_sized(header_bytes(name)), *_sized(value))
    return b"".join(parts)


def _sized(value: bytes) -> tuple[bytes, bytes]:
    return _COUNT.pack(len(value)), value


def _decoded(payload: bytes) -> tuple[list[str], list[_Slot]]:
    reader = _Reader(payload)
    topics: list[str] = []
    slots: list[_Slot] = []
    while reader.has_more():
        kind, topic = reader.take(1), reader.sized().decode()
        if kind == _TOPIC:
            topics.append(topic)
        elif kind == _RECORD:
            number, timestamp_ms = _PLACE.unpack(reader.take(_PLACE.size))
            key, value = reader.sized(), reader.sized()
            headers = tuple(
                (header_name(reader.sized()), reader.sized()) for _ in range(reader.count())
            )
            message = Message(topic, key, value, headers)
            slots.append(_Slot(Partition(topic, number), timestamp_ms, message))
        else:
            raise DataDirectoryError(f"the log's journal has an entry of unknown kind {kind!r}")
    return topics, slots


class _Reader:
    """Takes pieces off the front of a payload."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._position = 0

    def has_more(self) -> bool:
        return self._position < len(self._payload)

    def take(self, size: int) -> bytes:
        start, self._position = self._position, self._position + size
        return self._payload[start : self._position]

    def count(self) -> int:
        (count,) = _COUNT.unpack(self.take(_COUNT.size))
        return int(count)

    def sized(self) -> bytes:
        return self.take(self.count())


def _encoded_offsets(group: str, next_offsets: Mapping[Partition, int]) -> bytes:
    """An entry of the offsets' journal: one line of JSON."""
    rows = [
        [partition.topic, partition.number, offset]
        for partition, offset in sorted(next_offsets.items())
    ]
    return orjson.dumps([group, rows], option=orjson.OPT_APPEND_NEWLINE)


def _decoded_offsets(payloads: Iterable[bytes]) -> dict[str, dict[Partition, int]]:
    committed: dict[str, dict[Partition, int]] = {}
    for line in b"".join(payloads).splitlines():
        group, rows = orjson.loads(line)
        of_group = committed.setdefault(group, {})
        of_group.update({Partition(topic, number): offset for topic, number, offset in rows})
    return committed
