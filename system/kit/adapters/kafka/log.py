"""The event log on Kafka, by aiokafka."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import (
    KafkaError,
    LeaderNotAvailableError,
    NoError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.offset import OffsetRequest

from system.kit.adapters.kafka import overheard
from system.kit.adapters.kafka.clients import (
    RETRY_S,
    START_S,
    Admin,
    Consumer,
    Kept,
    bounded,
    close_admin,
    close_consumer,
)
from system.kit.adapters.kafka.group import (
    Assignor,
    GroupRules,
    KafkaSubscription,
    Questions,
    as_record,
)
from system.kit.adapters.kafka.publisher import BATCH_BYTES_MAX, REQUEST_S, Publisher
from system.kit.adapters.kafka.records import install
from system.kit.adapters.kafka.rules import (
    KEPT_FOR_EVER,
    MAX_BYTES,
    is_dlq,
    topic_bytes_max,
    topic_settings,
)
from system.kit.errors import TimedOut, Unavailable
from system.kit.events import dlq
from system.kit.ports.log import Message, Partition, Record, Revoked, Subscription

ASK_S = 5.0
ENSURE_S = 20.0
READ_S = 10.0
READ_MS = 1_000
FETCH_WAIT_MS = 100
"""A fetch that waits for news holds up a partition that was just resumed or sought in."""
METADATA_MS = 10_000
"""How old the leader of a group may know the partitions that it deals."""
NEWEST = -1
READ_UNCOMMITTED, READ_COMMITTED = 0, 1
"""Where a partition ends: with what was written last, or before the first open transaction."""

_log = logging.getLogger(__name__)

T = TypeVar("T")

install()
overheard.install()


class UnfitTopic(Exception):
    """A topic exists whose settings do not fit."""


class TopicForgets(UnfitTopic):
    """Its settings would delete records, from which views must be rebuilt."""


class TopicTooNarrow(UnfitTopic):
    """Its settings would refuse the largest messages that are sent to it."""


class KafkaLog:
    """One process's client of Kafka. The client id is its static member id in every group."""

    def __init__(
        self,
        brokers: Sequence[str],
        client_id: str,
        *,
        partitions: int = 3,
        replication: int = 1,
        rules: GroupRules | None = None,
    ) -> None:
        self._servers = list(brokers)
        self._client_id = client_id
        self._partitions = partitions
        self._replication = replication
        self._rules = rules or GroupRules()
        self._admins: Kept[Admin] = Kept(self._admin, close_admin)
        self._publisher = Publisher(self._producer)
        self._unfit = ""
        """What was said last of a topic whose settings do not fit any more."""

    def _admin(self) -> Admin:
        return AIOKafkaAdminClient(
            bootstrap_servers=self._servers,
            client_id=self._client_id,
            request_timeout_ms=int(ASK_S * 1000),
        )

    def _producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self._servers,
            client_id=self._client_id,
            enable_idempotence=True,
            acks="all",
            max_batch_size=BATCH_BYTES_MAX,
            request_timeout_ms=int(REQUEST_S * 1000),
        )

    def _consumer(self, group: str | None, assignor: Assignor | None = None) -> Consumer:
        rules = self._rules
        return AIOKafkaConsumer(
            bootstrap_servers=self._servers,
            client_id=self._client_id,
            group_id=group,
            group_instance_id=self._client_id if group else None,
            session_timeout_ms=int(rules.session_s * 1000),
            heartbeat_interval_ms=int(rules.heartbeat_s * 1000),
            rebalance_timeout_ms=int(rules.rebalance_s * 1000),
            max_poll_interval_ms=int(rules.unpolled_s * 1000),
            # A broker answers a join only when the rebalance is over.
            request_timeout_ms=int(rules.rebalance_s * 1000) + 5_000,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed",  # what was aborted never was
            fetch_max_wait_ms=FETCH_WAIT_MS,
            partition_assignment_strategy=[assignor or Assignor()],
            metadata_max_age_ms=METADATA_MS,
        )

    async def publish(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        return await self._publisher.publish(messages)

    def subscribe(
        self, group: str, topics: Collection[str], revoked: Revoked
    ) -> AbstractAsyncContextManager[Subscription]:
        return KafkaSubscription(
            partial(self._consumer, group),
            frozenset(topics),
            revoked,
            questions=Questions(
                ends=self.ends,
                written=self._written,
                members=partial(self._members, group),
                unassigned=partial(self._unassigned, group),
            ),
            instance=self._client_id,
            rules=self._rules,
        )

    async def read(self, *topics: str, start: int = 0) -> AsyncIterator[Record]:
        ends = {
            TopicPartition(*partition): end
            for partition, end in (await self.ends(topics)).items()
            if end > start
        }
        if not ends:
            return
        async with self._reading(ends, start) as consumer:
            async for record in _up_to(consumer, ends):
                yield record

    async def record(self, partition: Partition, offset: int) -> Record | None:
        end = (await self.ends([partition.topic])).get(partition, 0)
        if not 0 <= offset < end:
            return None
        place = TopicPartition(*partition)
        async with (
            self._reading([place], offset) as consumer,
            aclosing(_up_to(consumer, {place: end})) as records,
        ):
            async for record in records:
                return record if record.offset == offset else None
        return None

    @asynccontextmanager
    async def _reading(
        self, partitions: Collection[TopicPartition], start: int
    ) -> AsyncIterator[Consumer]:
        """A consumer of no group, at this offset of each partition."""
        consumer = self._consumer(None)
        try:
            consumer.assign(list(partitions))
            async with bounded("reading topics", START_S):
                await consumer.start()
            for partition in partitions:
                consumer.seek(partition, start)
            yield consumer
        finally:
            await close_consumer(consumer)

    async def committed(self, group: str) -> Mapping[Partition, int]:
        return await self._ask(f"asking for the offsets of {group}", partial(_committed, group))

    async def ends(self, topics: Collection[str]) -> Mapping[Partition, int]:
        return await self._ends_at(topics, READ_COMMITTED)

    async def _written(self, topics: Collection[str]) -> Mapping[Partition, int]:
        """The ends with what stands behind an open transaction, which no one can read yet."""
        return await self._ends_at(topics, READ_UNCOMMITTED)

    async def _ends_at(self, topics: Collection[str], isolation: int) -> Mapping[Partition, int]:
        if not topics:
            return {}
        ask = partial(_ends, list(topics), isolation)
        return await self._ask("asking for the ends of topics", ask)

    async def ensure(self, topics: Collection[str]) -> None:
        """Raises TopicForgets for a topic that does not keep every record for ever.

        Raises TopicTooNarrow for one of dead letters that does not take the largest.
        """
        names = sorted(topics)
        if not names:
            return
        new = [
            NewTopic(name, self._partitions, self._replication, topic_configs=topic_settings(name))
            for name in names
        ]
        await self._ask("making topics", partial(_create, new), bound_s=ENSURE_S)
        await self._ask("looking at topics", partial(_check_settings, names), bound_s=ENSURE_S)
        await self._ask("waiting for topics", partial(_leaders, names), bound_s=ENSURE_S)

    async def _members(self, group: str) -> Collection[str]:
        return await self._ask(f"asking for the members of {group}", partial(_member_ids, group))

    async def _unassigned(self, group: str, topics: Collection[str]) -> Collection[Partition]:
        ask = partial(_unassigned, group, sorted(topics))
        unassigned = await self._ask(f"asking who reads what in {group}", ask)
        await self._look_at_settings(sorted({*topics, *map(dlq, topics)}))
        return unassigned

    async def _look_at_settings(self, topics: Sequence[str]) -> None:
        """Say once what has become of a topic that was fit when this process started."""
        now = ""
        try:
            check = partial(_check_settings, topics, are_there=False)
            await self._ask("looking at topics", check)
        except UnfitTopic as unfit:
            now = str(unfit)
        if now and now != self._unfit:
            _log.error("%s", now)
        self._unfit = now

    async def _ask(
        self, what: str, question: Callable[[Admin], Awaitable[T]], *, bound_s: float = ASK_S
    ) -> T:
        """Ask until there is an answer, within the bound. Raises Unavailable."""
        last: Exception | None = None
        try:
            async with bounded(what, bound_s):
                while True:
                    admin = await self._admins.get()
                    try:
                        return await question(admin)
                    except KafkaError as error:
                        self._admins.discard(admin)
                        if not error.retriable:
                            raise
                        last = error
                    except BaseException:
                        self._admins.discard(admin)
                        raise
                    await asyncio.sleep(RETRY_S)
        except TimedOut as error:
            raise error if last is None else Unavailable(f"{what}: {last!r}") from last

    async def close(self) -> None:
        """Close what is open, within seconds also with the broker away."""
        await asyncio.gather(self._publisher.close(), self._admins.close())


async def _up_to(consumer: Consumer, ends: Mapping[TopicPartition, int]) -> AsyncGenerator[Record]:
    """All records before these ends. Raises Unavailable when nothing comes for `READ_S`."""
    pending, moved = dict.fromkeys(ends, -1), asyncio.get_running_loop().time()
    while pending:
        async with bounded("reading", READ_S):
            fetched = await consumer.getmany(timeout_ms=READ_MS)
            # by position, not by record: marks of transactions may be all that is left
            now_at = {p: await consumer.position(p) for p in pending}
        for partition, records in fetched.items():
            for found in records:
                if found.offset < ends[partition]:
                    yield as_record(found)
        now = asyncio.get_running_loop().time()
        if now_at != pending:
            moved = now
        elif now - moved > READ_S:
            raise TimedOut("reading: Kafka sends nothing more")
        pending = {p: at for p, at in now_at.items() if at < ends[p]}


def _check(error_code: int, what: str) -> None:
    if (kind := for_code(error_code)) is not NoError:
        raise kind(what)


async def _create(topics: Sequence[NewTopic], admin: Admin) -> None:
    """Any number of processes may do this at once: the controller makes each topic once."""
    try:
        answer = await admin.create_topics(list(topics), timeout_ms=int(ASK_S * 1000))
    except AttributeError as error:  # aiokafka's, while the cluster has no controller
        raise Unavailable("Kafka has no controller yet") from error
    for name, error_code, *_ in answer.topic_errors:
        if for_code(error_code) is not TopicAlreadyExistsError:
            _check(error_code, name)


async def _check_settings(topics: Sequence[str], admin: Admin, *, are_there: bool = True) -> None:
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, topic, dict.fromkeys(topic_settings(topic), ""))
        for topic in topics
    ]
    for answer in await admin.describe_configs(resources):
        for error_code, _, _, topic, entries in answer.resources:
            if are_there:
                _check(error_code, topic)
            for name, value, *_ in entries:
                # Any other that is there and narrower only cannot take its largest as a replay.
                too_narrow = name == MAX_BYTES and int(value) < topic_bytes_max(topic)
                if too_narrow and is_dlq(topic):
                    raise TopicTooNarrow(
                        f"topic {topic} has {name}={value}, too little for the largest dead"
                        f" letters; set it to {topic_bytes_max(topic)}"
                    )
                if name in KEPT_FOR_EVER and value != KEPT_FOR_EVER[name]:
                    raise TopicForgets(
                        f"topic {topic} has {name}={value}, which would delete events that views"
                        f" are rebuilt from; set it to {KEPT_FOR_EVER[name]}"
                    )


async def _leaders(topics: Sequence[str], admin: Admin) -> Mapping[Partition, int]:
    """The node to ask about each partition."""
    leaders = {}
    for topic in await admin.describe_topics(list(topics)):
        _check(topic["error_code"], topic["topic"])
        for partition in topic["partitions"]:
            _check(partition["error_code"], topic["topic"])
            if partition["leader"] < 0:
                raise LeaderNotAvailableError(topic["topic"])
            leaders[Partition(topic["topic"], partition["partition"])] = partition["leader"]
    return leaders


async def _ends(topics: Sequence[str], isolation: int, admin: Admin) -> Mapping[Partition, int]:
    by_node: defaultdict[int, defaultdict[str, list[tuple[int, int]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for partition, node in (await _leaders(topics, admin)).items():
        by_node[node][partition.topic].append((partition.number, NEWEST))
    ends = {}
    for node, wanted in by_node.items():
        # The admin client has no public question for this; a consumer would cost a connection.
        request = OffsetRequest(-1, isolation, list(wanted.items()))
        answer = await admin._send_request(request, node)  # noqa: SLF001
        for topic, partitions in answer.topics:
            for number, error_code, _timestamp, offset, *_ in partitions:
                _check(error_code, topic)
                ends[Partition(topic, number)] = offset
    return ends


async def _committed(group: str, admin: Admin) -> Mapping[Partition, int]:
    # Not by list_consumer_group_offsets: it overlooks the error of the whole answer, so that a
    # coordinator that is still loading looks like a group that has committed nothing.
    node = await admin.find_coordinator(group)
    answer = await admin._send_request(OffsetFetchRequest(group, None), node)  # noqa: SLF001
    _check(answer.error_code, group)
    committed = {}
    for topic, partitions in answer.topics:
        for number, offset, _, error_code in partitions:
            _check(error_code, topic)
            if offset >= 0:
                committed[Partition(topic, number)] = offset
    return committed


async def _unassigned(group: str, topics: Sequence[str], admin: Admin) -> Collection[Partition]:
    """None while the group is dealing."""
    assigned: set[Partition] = set()
    for answer in await admin.describe_consumer_groups([group]):
        for error_code, _, state, _, _, members, *_ in answer.groups:
            _check(error_code, group)
            if state != "Stable":
                return ()
            for member in members:
                if hand := member[-1]:
                    dealt = ConsumerProtocolMemberAssignment.decode(hand).partitions()
                    assigned |= {Partition(*partition) for partition in dealt}
    there: set[Partition] = set()
    for topic in await admin.describe_topics(list(topics)):
        there |= {Partition(topic["topic"], each["partition"]) for each in topic["partitions"]}
        if for_code(topic["error_code"]) is UnknownTopicOrPartitionError:
            _log.warning("there is no topic %s: nothing can be read from it", topic["topic"])
    return there - assigned


async def _member_ids(group: str, admin: Admin) -> Collection[str]:
    ids = set()
    for answer in await admin.describe_consumer_groups([group]):
        for error_code, _, _, _, _, members, *_ in answer.groups:
            _check(error_code, group)
            ids |= {member[0] for member in members}
    return ids
