"""The consuming half of the Kafka log: membership of a group, as the port wants it.

aiokafka joins, heartbeats and fetches in tasks of its own. Three rules keep that sound here:

- Records go from aiokafka into a buffer in the same step in which it advances its position, and
  a revocation empties the buffer. So a poll never gives records of an assignment that is over:
  1. aiokafka hands out records 5–9.  2. The partition is revoked; the owner commits 5.
  3. It is assigned anew, from 5.  4. Had a poll still held 5–9, they would now come twice, mixed.
- `getmany` waits without bound while a rebalance goes on, and may not be canceled (its idle clock
  would stand still, and a dead poll loop would keep its partitions). So one task awaits it, only
  when a poll has asked, and a poll waits for that task's news.
- A static member that was replaced would join again at once and replace its replacement, in turn
  for ever. aiokafka awaits `on_partitions_revoked` before it joins: there the group is looked at.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from system.kit.adapters.kafka.clients import (
    START_S,
    Background,
    Consumer,
    bounded,
    close_consumer,
    see_commits,
)
from system.kit.adapters.kafka.records import NoValue
from system.kit.errors import Fenced, TimedOut, Unavailable
from system.kit.ports.log import Message, Partition, Record, Revoked

_log = logging.getLogger(__name__)

COMMIT_S = 2.0
GET_MANY_MS = 1_000
POSITION_S = 1.0
UUID_CHARACTERS = 36


@dataclass(frozen=True, slots=True)
class GroupRules:
    """The times of a group. A broker must allow the session: `group.min.session.timeout.ms`."""

    session_s: float = 6.0
    rebalance_s: float = 30.0
    unpolled_s: float = 300.0
    """How long a member may not poll before the partitions go to others."""
    watch_s: float = 5.0
    """How often a silent membership is looked at."""
    stuck_s: float = 10.0
    """How long records may lie there unfetched before the consumer is given up."""
    unassigned_s: float = 25.0
    """How long a join may take before the consumer is given up."""
    covered_s: float = 10.0
    """How often it is looked at whether every partition has an owner."""

    @property
    def heartbeat_s(self) -> float:
        return self.session_s / 3


Ends = Callable[[Collection[str]], Awaitable[Mapping[Partition, int]]]
Members = Callable[[], Awaitable[Collection[str]]]
Unassigned = Callable[[Collection[str]], Awaitable[Collection[Partition]]]


@dataclass(frozen=True, slots=True)
class Questions:
    """What a membership asks the broker, beside the consumer that it has."""

    ends: Ends
    """Of what can be read."""
    written: Ends
    """With what stands behind an open transaction."""
    members: Members
    unassigned: Unassigned
    """The partitions of these topics that no member of the group has."""


class Assignor(RoundRobinPartitionAssignor):  # type: ignore[misc]  # aiokafka ships no types
    """Deals partitions in turn; can make the broker have them dealt anew."""

    def __init__(self) -> None:
        self._forced = 0

    def force(self) -> None:
        """Join with something new to say, the next time.

        A broker deals anew for a member that says what it said before only if it is the leader,
        and who restarted within its session is not told that it is.
        """
        self._forced += 1

    def metadata(self, topics: Collection[str]) -> Any:
        say = b"%d" % self._forced if self._forced else b""
        return ConsumerProtocolMemberMetadata(self.version, list(topics), say)


class KafkaSubscription:
    """One member's part of a group, over as many consumers of aiokafka as it takes.

    A consumer that fails or stands still is given up and its partitions are revoked; the poll
    that finds this raises Unavailable, and the next one begins with a new consumer.
    """

    def __init__(
        self,
        make_consumer: Callable[[Assignor], Consumer],
        topics: frozenset[str],
        revoked: Revoked,
        *,
        questions: Questions,
        instance: str,
        rules: GroupRules,
    ) -> None:
        self._make_consumer = make_consumer
        self._topics = topics
        self._revoked = revoked
        self._questions = questions
        self._instance = instance
        self._rules = rules
        self._membership: Membership | None = None
        self._background = Background()

    async def __aenter__(self) -> Self:
        self._join()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._give_up()
        finally:
            await self._background.close()

    def _join(self) -> Membership:
        assignor = Assignor()
        self._membership = Membership(
            self._make_consumer(assignor),
            assignor,
            self._topics,
            self._revoked,
            questions=self._questions,
            instance=self._instance,
            rules=self._rules,
        )
        return self._membership

    async def _give_up(self) -> None:
        if (membership := self._membership) is None:
            return
        try:
            await membership.revoke()  # commits still count in it
        finally:
            self._membership = None
            self._background.add(membership.close())

    async def poll(
        self, *, full: Collection[Partition], timeout_s: float
    ) -> Mapping[Partition, Sequence[Record]]:
        """Raises Fenced when a later instance with the same id has this one's place."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + timeout_s
        full_now = {_native(partition) for partition in full}
        await asyncio.sleep(0)  # a poll that finds something must not starve the others
        while True:
            membership = self._membership or self._join()
            if membership.failure is not None:
                await self._give_up()
                raise membership.failure
            membership.ask(full_now)
            records = membership.take(full_now)
            if records or loop.time() >= ends_at:
                return records
            membership.news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(ends_at):
                    await membership.news.wait()

    async def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        if self._membership is None:
            raise Fenced("the membership was given up")
        await self._membership.commit(next_offsets)

    async def seek(self, partition: Partition, offset: int) -> None:
        """Raises Fenced when the partition is someone else's by now."""
        if self._membership is None:
            raise Fenced("the membership was given up")
        self._membership.seek(_native(partition), offset)

    async def lag(self) -> Mapping[Partition, int]:
        return {} if self._membership is None else await self._membership.lag()


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """The life of one consumer in the group, from its start until it is given up."""

    def __init__(
        self,
        consumer: Consumer,
        assignor: Assignor,
        topics: frozenset[str],
        revoked: Revoked,
        *,
        questions: Questions,
        instance: str,
        rules: GroupRules,
    ) -> None:
        self.news = asyncio.Event()
        """Set when another look is worth it: the fetch that was asked for is over, or all is."""
        self.failure: Exception | None = None
        self._consumer = consumer
        self._assignor = assignor
        self._topics = topics
        self._revoked = revoked
        self._questions = questions
        self._instance = instance
        self._rules = rules
        self._owned: frozenset[TopicPartition] | None = None
        """None from a revocation to the next assignment."""
        self._paused: set[TopicPartition] = set()
        self._buffer: dict[TopicPartition, list[Record]] = {}
        self._given: dict[TopicPartition, int] = {}
        """The offset after the last record that a poll gave."""
        self._done: dict[TopicPartition, int] = {}
        """The offset that was committed last."""
        self._revoking = asyncio.Lock()
        self._asked = asyncio.Event()
        self._member_id = ""
        now = asyncio.get_running_loop().time()
        self._asked_at = now
        self._moved_at = now
        """When records were last fetched, or what is fetched last changed."""
        self._tasks = [
            asyncio.create_task(work) for work in (self._fetch(), self._watch(), self._cover())
        ]
        for task in self._tasks:
            task.add_done_callback(self._ended)

    # Fetching

    async def _fetch(self) -> None:
        async with bounded("joining", START_S):
            await self._consumer.start()
        see_commits(self._consumer)
        self._consumer.subscribe(list(self._topics), listener=self)
        while True:
            await self._asked.wait()
            self._asked.clear()
            async with bounded("fetching", None):  # waits through rebalances; the watch bounds it
                fetched = await self._consumer.getmany(timeout_ms=GET_MANY_MS)
                # no await from here on: see the rules above
                self._keep(fetched)
            await self._pass_over()

    def _keep(self, fetched: Mapping[TopicPartition, list[Any]]) -> None:
        for partition, found in fetched.items():
            self._buffer.setdefault(partition, []).extend(map(as_record, found))
        if fetched:
            self._moved_at = asyncio.get_running_loop().time()
        self.news.set()  # also for nothing: a poll that still waits asks again

    def ask(self, full: Collection[TopicPartition]) -> None:
        """Have records fetched of all partitions but the full ones."""
        self._asked_at = asyncio.get_running_loop().time()
        self._asked.set()
        if self._owned is None:
            return
        wanted = self._owned.intersection(full)
        if pause := wanted - self._paused:
            self._consumer.pause(*pause)
        if resume := self._paused - wanted:
            self._consumer.resume(*resume)
            self._moved_at = self._asked_at
        self._paused = set(wanted)

    def take(self, full: Collection[TopicPartition]) -> dict[Partition, Sequence[Record]]:
        ready = sorted(partition for partition in self._buffer if partition not in full)
        self._given |= {partition: self._buffer[partition][-1].offset + 1 for partition in ready}
        return {_ported(partition): self._buffer.pop(partition) for partition in ready}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        if self._owned is None or partition not in self._owned:
            raise Fenced(f"{partition.topic}/{partition.partition} is not ours")
        self._consumer.seek(partition, offset)
        self._buffer.pop(partition, None)
        self._given[partition] = offset
        self._done.pop(partition, None)

    # Commits and lag

    async def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        if not next_offsets:
            return
        if self._is_out():
            # aiokafka would commit without a generation, and an empty group accepts that
            raise Fenced("the group has put this member out")
        offsets = {_native(partition): offset for partition, offset in next_offsets.items()}
        async with bounded("committing", COMMIT_S):
            await self._consumer.commit(offsets)
        self._done |= offsets

    async def _pass_over(self) -> None:
        """Commit past what no member is given: marks of transactions, and what was aborted.

        1. Records 0 to 4 are given, and 5 is committed. 2. The end is 6: the transaction's mark.
        3. With 5 committed, the group would for ever be one behind, and a rebuild never done.
        """
        owned, empty = self._owned, {}
        for partition in owned or ():
            is_done = self._given.get(partition) == self._done.get(partition)
            if not is_done or partition in self._buffer:
                continue
            position = await self._next(partition)
            if position is not None and position > self._done.get(partition, 0):
                empty[partition] = position
        if not empty or self._owned is not owned or not self._buffer.keys().isdisjoint(empty):
            return
        with suppress(Fenced, Unavailable):  # then it is done again, or is another member's to do
            await self.commit({_ported(partition): at for partition, at in empty.items()})
            for partition, position in empty.items():
                if self._given.get(partition, 0) < position:
                    self._given[partition] = position

    async def lag(self) -> Mapping[Partition, int]:
        owned = self._owned
        if not owned:
            return {}
        ends = await self._questions.written({partition.topic for partition in owned})
        lags = {}
        for partition in sorted(owned):
            position = await self._next(partition)
            if position is not None:
                ported = _ported(partition)
                lags[ported] = max(0, ends.get(ported, 0) - position)
        return lags if self._owned is owned else {}

    async def _next(self, partition: TopicPartition) -> int | None:
        """The offset to be given next; None while aiokafka still finds out where to begin."""
        if partition in self._buffer:
            return self._buffer[partition][0].offset
        try:
            async with bounded("asking for a position", POSITION_S):
                return int(await self._consumer.position(partition))
        except (Fenced, TimedOut):
            return None

    # Rebalances: called by aiokafka, in its own task

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        await self.revoke()
        if self._is_out() and await self._is_replaced():
            self._fail(Fenced(f"a later instance of {self._instance} is in the group"))
            await asyncio.Event().wait()  # never join again; `close` ends this task

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._buffer.clear()
        self._paused.clear()
        self._given.clear()
        self._done.clear()
        self._owned = frozenset(assigned)
        self._member_id = self._consumer._coordinator.member_id  # noqa: SLF001
        self._moved_at = asyncio.get_running_loop().time()
        self.news.set()

    async def revoke(self) -> None:
        """Tell the owner, once per assignment; the second caller waits for the first."""
        async with self._revoking:
            owned, self._owned = self._owned, None
            self._moved_at = asyncio.get_running_loop().time()
            self._buffer.clear()
            if not owned:
                return
            try:
                async with asyncio.timeout(self._rules.rebalance_s - START_S):
                    await self._revoked(frozenset(map(_ported, owned)))
            except (Fenced, Unavailable):
                pass  # of its last commit: what was not committed is given again
            except Exception as error:  # noqa: BLE001 (aiokafka would only log it)
                self._fail(error)

    def _is_out(self) -> bool:
        """Whether the broker said that it does not know this member (any more)."""
        # The only place where aiokafka tells; a lost membership is no event and no error.
        coordinator = self._consumer._coordinator  # noqa: SLF001
        return self._member_id != "" and (coordinator is None or coordinator.generation < 0)

    async def _is_replaced(self) -> bool:
        """Whether the group has another member with our id; if the broker does not say so, we join again."""
        try:
            members = await self._questions.members()
        except Unavailable:
            return False
        return any(
            is_of_instance(member, self._instance) and member != self._member_id
            for member in members
        )

    # Standing still

    async def _watch(self) -> None:
        """Look for a standstill that aiokafka does not notice, as after a broker's restart."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._rules.watch_s)
            still_s = loop.time() - self._moved_at
            nobody_polls = loop.time() - self._asked_at > self._rules.watch_s
            if still_s < self._rules.watch_s or nobody_polls:
                continue
            if await self._stands_still(still_s):
                raise Unavailable("the consumer stands still and is made anew")

    async def _stands_still(self, still_s: float) -> bool:
        ends = await self._questions.ends(self._topics)  # also tells whether the broker is there
        owned = self._owned
        if owned is None:
            return still_s > self._rules.unassigned_s
        if still_s <= self._rules.stuck_s:
            return False
        for partition in owned - self._paused - self._buffer.keys():
            position = await self._next(partition)
            if position is None or position < ends.get(_ported(partition), 0):
                return self._owned is owned
        return False

    # New partitions

    async def _cover(self) -> None:
        """See to it that every partition has an owner.

        The leader looks for new ones by itself, unless it has restarted within its session: then
        it does not know that it leads, and no member looks (KAFKA-13435).
        """
        while True:
            await asyncio.sleep(self._rules.covered_s)
            if self._owned is None:
                continue
            with suppress(Unavailable):  # the watch says so
                if unassigned := await self._questions.unassigned(self._topics):
                    _log.info("to be dealt anew: nobody has %s", min(unassigned))
                    self._assignor.force()
                    self._consumer._coordinator.request_rejoin()  # noqa: SLF001 (nothing public)

    # Ending

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            assert isinstance(error, Exception)
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.failure = self.failure or error
        self.news.set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        await close_consumer(self._consumer)


def is_of_instance(member: str, instance: str) -> bool:
    """Whether a static member's id, which the broker made up, is one of this instance."""
    # It is the instance id, a dash and a UUID: so `a-2-…` is not one of `a`.
    return member[:-UUID_CHARACTERS] == f"{instance}-"


def _native(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)


def _ported(partition: TopicPartition) -> Partition:
    return Partition(partition.topic, partition.partition)


def as_record(found: Any) -> Record:  # aiokafka ships no types
    """A record as the port has it; other systems' null keys and values are empty here."""
    message = Message(
        found.topic,
        found.key or b"",
        found.value or b"",
        tuple((name, value or b"") for name, value in found.headers),
    )
    place = Partition(found.topic, found.partition)
    why = found.value.unreadable if isinstance(found.value, NoValue) else None
    return Record(message, place, found.offset, found.timestamp, why)
