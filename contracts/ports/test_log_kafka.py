"""What only a real broker can do to its client, and how the Kafka log takes it."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.partitioner import DefaultPartitioner

from scenarios.harness.servers import Servers, shared
from system.kit import logs
from system.kit.adapters.kafka.group import GroupRules
from system.kit.adapters.kafka.log import KafkaLog, TopicForgets, TopicTooNarrow
from system.kit.delivery.consumer import Chain, Consumer
from system.kit.delivery.middleware import Batch
from system.kit.errors import Fenced, TimedOut, Unavailable
from system.kit.events import dlq
from system.kit.lifespan import Lifespan
from system.kit.metrics import Metrics
from system.kit.ports.log import Message, Partition, Record, Subscription
from system.kit.ports.partitioner import partition_number

pytestmark = pytest.mark.stack("local")

KEY = b"1"
"""Lies in partition 0."""
RULES = GroupRules(session_s=3.0, watch_s=1.0, stuck_s=3.0, covered_s=2.0)
DEADLINE_S = 40.0


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    servers = await shared.servers()
    yield servers
    await servers.toxiproxy.heal()
    await servers.kafka.start()


@pytest.fixture
async def log(servers: Servers) -> AsyncIterator[KafkaLog]:
    """A log that reaches its broker through Toxiproxy."""
    log = KafkaLog([servers.environment(proxied=True)["KAFKA_BROKERS"]], "tested", rules=RULES)
    yield log
    await log.close()


@pytest.fixture
async def topic(servers: Servers) -> AsyncIterator[str]:
    async with direct(servers) as log:
        name = f"topic-{uuid4().hex[:12]}"
        await log.ensure([name])
        yield name


@asynccontextmanager
async def direct(servers: Servers, client_id: str = "observer") -> AsyncIterator[KafkaLog]:
    """A log that no toxic harms."""
    log = KafkaLog([servers.kafka.address], client_id, rules=RULES)
    yield log
    await log.close()


@asynccontextmanager
async def impatient(servers: Servers, client_id: str) -> AsyncIterator[KafkaLog]:
    """A log whose members have to poll every other second."""
    log = KafkaLog([servers.kafka.address], client_id, rules=replace(RULES, unpolled_s=UNPOLLED_S))
    yield log
    await log.close()


def message(topic: str, value: bytes, key: bytes = KEY) -> Message:
    return Message(topic, key, value, ())


async def values(servers: Servers, topic: str) -> list[bytes]:
    async with direct(servers) as log:
        return [record.message.value async for record in log.read(topic)]


async def publish_again_and_again(log: KafkaLog, messages: list[Message]) -> None:
    """As the relay does: what failed and all after it, until all is stored."""
    async with asyncio.timeout(DEADLINE_S):
        while messages:
            outcomes = await log.publish(messages)
            stored = next((n for n, outcome in enumerate(outcomes) if outcome), len(outcomes))
            assert all(outcomes[stored:]), "only a prefix may be stored"
            messages = messages[stored:]


async def poll_again_and_again(subscription: Subscription, wanted: Iterable[bytes]) -> int:
    """Poll until these values have come; how often the log was unavailable meanwhile."""
    missing, unavailable = set(wanted), 0
    async with asyncio.timeout(DEADLINE_S):
        while missing:
            try:
                polled = await subscription.poll(full=(), timeout_s=0.2)
            except Unavailable:
                unavailable += 1
                await asyncio.sleep(0.2)
            else:
                records: list[Record] = [r for part in polled.values() for r in part]
                missing -= {record.message.value for record in records}
    return unavailable


async def commit_again_and_again(
    subscription: Subscription, next_offsets: dict[Partition, int]
) -> None:
    """Commit, also in a group whose coordinator is only just back, or that rebalances."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                await subscription.poll(full=(), timeout_s=0.1)
                return await subscription.commit(next_offsets)
            except (Unavailable, Fenced):
                await asyncio.sleep(0.1)


async def ignored(_: frozenset[Partition]) -> None:
    """Nothing is in hand here."""


def test_keys_lie_where_aiokafka_itself_would_put_them() -> None:
    partitioner = DefaultPartitioner()
    for number in range(1_000):
        key = b"%d" % number
        assert partition_number(key, 3) == partitioner(key, [0, 1, 2], [0, 1, 2])


async def test_more_than_a_batch_holds_is_sent_in_several_and_stays_in_order(
    servers: Servers, log: KafkaLog, topic: str
) -> None:
    sent = [b"%d" % number + bytes(400_000) for number in range(9)]

    assert await log.publish([message(topic, value) for value in sent]) == [None] * 9

    assert await values(servers, topic) == sent


async def test_a_batch_that_the_broker_finds_too_large_is_halved(
    servers: Servers, log: KafkaLog
) -> None:
    topic = f"narrow-{uuid4().hex[:12]}"
    await make(servers, topic, {"retention.ms": "-1", "max.message.bytes": "2000"})
    sent = [b"%d" % number + bytes(500) for number in range(8)]

    assert await log.publish([message(topic, value) for value in sent]) == [None] * 8

    assert await values(servers, topic) == sent


async def make(servers: Servers, topic: str, settings: dict[str, str]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka.address)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 3, 1, topic_configs=settings)])
    await admin.close()


async def test_a_topic_that_forgets_is_refused(servers: Servers, log: KafkaLog) -> None:
    topic = f"forgetful-{uuid4().hex[:12]}"
    await make(servers, topic, {"retention.ms": "1000"})

    with pytest.raises(TopicForgets, match=rf"{topic} has retention.ms=1000.*set it to -1"):
        await log.ensure([topic])


async def test_a_topic_too_narrow_for_dead_letters_is_refused(
    servers: Servers, log: KafkaLog
) -> None:
    topic = dlq(f"narrow-{uuid4().hex[:12]}")
    await make(servers, topic, {"retention.ms": "-1", "max.message.bytes": "1048588"})

    with pytest.raises(TopicTooNarrow, match=rf"{topic} has max.message.bytes=1048588.* 2097152"):
        await log.ensure([topic])


async def test_eight_processes_may_make_the_topics_at_once(servers: Servers) -> None:
    topics = [f"topic-{uuid4().hex[:12]}" for _ in range(28)]
    logs = [KafkaLog([servers.kafka.address], f"role-{number}") for number in range(8)]

    await asyncio.gather(*(log.ensure(topics) for log in logs))

    assert set((await logs[0].ends(topics)).values()) == {0}
    assert len(await logs[0].ends(topics)) == 28 * 3
    await asyncio.gather(*(log.close() for log in logs))


async def test_a_producer_that_lost_count_is_replaced(
    servers: Servers, log: KafkaLog, topic: str
) -> None:
    assert await log.publish([message(topic, b"a")]) == [None]
    producer = await log._publisher._producers.get()  # noqa: SLF001 (no broker does it on request)
    counts = producer._txn_manager  # noqa: SLF001
    counts.increment_sequence_number((topic, 0), 5)

    (refused,) = await log.publish([message(topic, b"b")])
    (stored,) = await log.publish([message(topic, b"b")])

    assert isinstance(refused, Unavailable)
    assert "OutOfOrderSequence" in str(refused)
    assert stored is None
    assert await values(servers, topic) == [b"a", b"b"]


async def test_a_broker_that_answers_nothing_fails_a_publish_in_time(
    servers: Servers, log: KafkaLog, topic: str
) -> None:
    assert await log.publish([message(topic, b"a")]) == [None]
    await servers.toxiproxy.spoil("kafka", "timeout", timeout=0)

    began = time.monotonic()
    outcomes = await log.publish([message(topic, b"b"), message(topic, b"c")])
    took_s = time.monotonic() - began
    await servers.toxiproxy.heal()
    await publish_again_and_again(log, [message(topic, b"b"), message(topic, b"c")])

    assert all(isinstance(outcome, TimedOut) for outcome in outcomes)
    assert took_s < 6
    stored = await values(servers, topic)
    assert list(dict.fromkeys(stored)) == [b"a", b"b", b"c"]


async def test_an_answer_that_was_lost_is_no_loss_and_no_reordering(
    servers: Servers, log: KafkaLog, topic: str
) -> None:
    assert await log.publish([message(topic, b"0")]) == [None]
    sent = [b"%d" % number for number in range(1, 200)]
    publishing = asyncio.create_task(
        publish_again_and_again(log, [message(topic, value) for value in sent])
    )
    for _ in range(3):
        await servers.toxiproxy.spoil("kafka", "reset_peer", timeout=20)
        await asyncio.sleep(0.3)
        await servers.toxiproxy.heal()
        await asyncio.sleep(0.3)
    await publishing

    assert list(dict.fromkeys(await values(servers, topic))) == [b"0", *sent]


async def test_a_broker_that_is_killed_and_back_takes_up_where_it_was(
    servers: Servers, log: KafkaLog, topic: str
) -> None:
    group = uuid4().hex
    async with log.subscribe(group, [topic], ignored) as subscription:
        await publish_again_and_again(log, [message(topic, b"before")])
        await poll_again_and_again(subscription, [b"before"])
        await subscription.commit({Partition(topic, 0): 1})

        await servers.kafka.kill()
        (refused,) = await log.publish([message(topic, b"during")])
        restarting = asyncio.create_task(servers.kafka.start())
        await publish_again_and_again(log, [message(topic, b"after")])
        await poll_again_and_again(subscription, [b"after"])
        await restarting
        await commit_again_and_again(subscription, {Partition(topic, 0): 2})

    assert isinstance(refused, Unavailable)
    assert await log.committed(group) == {Partition(topic, 0): 2}


async def test_a_consumer_whose_broker_answers_nothing_says_so_and_comes_back(
    servers: Servers, log: KafkaLog, topic: str
) -> None:
    async with (
        direct(servers) as publisher,
        log.subscribe(uuid4().hex, [topic], ignored) as subscription,
    ):
        assert await publisher.publish([message(topic, b"a")]) == [None]
        await poll_again_and_again(subscription, [b"a"])

        await servers.toxiproxy.spoil("kafka", "timeout", timeout=0)
        assert await publisher.publish([message(topic, b"b")]) == [None]
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await subscription.poll(full=(), timeout_s=DEADLINE_S)
        took_s = time.monotonic() - began
        await servers.toxiproxy.heal()

        await poll_again_and_again(subscription, [b"b"])

    assert took_s < RULES.watch_s + 7  # its next look, and the bound of that


async def test_a_commit_that_was_given_up_fails_without_a_complaint(
    servers: Servers, log: KafkaLog, topic: str, complaints: list[str]
) -> None:
    async with (
        direct(servers) as publisher,
        log.subscribe(uuid4().hex, [topic], ignored) as subscription,
    ):
        assert await publisher.publish([message(topic, b"a")]) == [None]
        await poll_again_and_again(subscription, [b"a"])

        await servers.toxiproxy.spoil("kafka", "timeout", timeout=0)
        with pytest.raises(TimedOut):
            await subscription.commit({Partition(topic, 0): 1})
        await servers.toxiproxy.set_up("kafka", up=False)  # now it fails, with nobody waiting
        await asyncio.sleep(0.5)
        gc.collect()

    assert complaints == []


async def test_a_member_that_was_replaced_leaves_its_place_to_the_later_one(
    servers: Servers, topic: str
) -> None:
    """Left to itself, aiokafka would join again and replace its replacement, in turn for ever."""
    group = uuid4().hex
    async with direct(servers) as log, log.subscribe(group, [topic], ignored) as older:
        assert await log.publish([message(topic, b"a")]) == [None]
        await poll_again_and_again(older, [b"a"])

        async with direct(servers) as again, again.subscribe(group, [topic], ignored) as later:
            await poll_again_and_again(later, [b"a"])
            with pytest.raises(Fenced):
                async with asyncio.timeout(DEADLINE_S):
                    await until_it_fails(older)
            await later.commit({Partition(topic, 0): 1})

        assert await log.committed(group) == {Partition(topic, 0): 1}


async def until_it_fails(subscription: Subscription) -> None:
    while True:
        await subscription.poll(full=(), timeout_s=0.1)


async def test_a_member_that_restarts_within_its_session_finds_its_partitions(
    servers: Servers, topic: str
) -> None:
    """And nobody else has to let go of theirs: a restart is no rebalance."""
    group, revocations = uuid4().hex, 0

    async def revoked(_: frozenset[Partition]) -> None:
        nonlocal revocations
        revocations += 1

    async with (
        direct(servers, "restarts") as log,
        direct(servers, "stays") as other,
        other.subscribe(group, [topic], revoked) as stays,
    ):
        async with log.subscribe(group, [topic], ignored) as before:
            shares = await shared_out(before, stays)
        revocations = 0
        async with log.subscribe(group, [topic], ignored) as after:
            assert await shared_out(after, stays) == shares
            assert revocations == 0


async def shared_out(*members: Subscription) -> list[Collection[Partition]]:
    """Poll until all three partitions are somebody's; whose."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            await asyncio.gather(*(each.poll(full=(), timeout_s=0.1) for each in members))
            owned = [(await each.lag()).keys() for each in members]
            if all(owned) and sum(map(len, owned)) == 3:
                return [set(each) for each in owned]


UNPOLLED_S = 2.0
"""How long nobody may poll, in the two tests that are about this."""


async def test_a_handler_that_takes_longer_than_polls_may_pause_keeps_its_partition(
    servers: Servers, topic: str
) -> None:
    handled: list[bytes] = []

    async def slowly(batch: Batch) -> None:
        await asyncio.sleep(UNPOLLED_S * 3)  # as one that is retried and retried
        handled.extend(record.message.value for record in batch.records)

    group, lifespan = uuid4().hex, Lifespan()
    async with impatient(servers, "slow") as log:
        assert await log.publish([message(topic, b"a")]) == [None]
        chains: dict[str, Chain] = {topic: lambda _: slowly}
        logger = logs.logger("slow")
        consumer = Consumer("slow", group, chains, log=log, metrics=Metrics(), logger=logger)
        consuming = asyncio.create_task(consumer.run(lifespan))
        async with asyncio.timeout(DEADLINE_S):
            while not await log.committed(group):
                await asyncio.sleep(0.1)
        lifespan.stopping.set()
        await consuming

    assert handled == [b"a"]


async def test_a_member_that_nobody_polls_loses_its_partitions_and_joins_again(
    servers: Servers, topic: str
) -> None:
    group = uuid4().hex
    async with impatient(servers, "dead") as log, impatient(servers, "alive") as other:
        assert await other.publish([message(topic, b"a")]) == [None]
        async with (
            log.subscribe(group, [topic], ignored) as dead,
            other.subscribe(group, [topic], ignored) as alive,
        ):
            await poll_again_and_again(dead, [b"a"])

            await poll_again_and_again(alive, [b"a"])  # it was not committed, so it comes again
            with pytest.raises(Fenced):
                await dead.commit({Partition(topic, 0): 1})
            await commit_again_and_again(alive, {Partition(topic, 0): 1})

            polling = asyncio.create_task(until_it_fails(dead))
            async with asyncio.timeout(DEADLINE_S):
                while not await dead.lag():  # until it has partitions again
                    await alive.poll(full=(), timeout_s=0.1)
            polling.cancel()


@pytest.mark.parametrize("away", ["silent", "gone"])
async def test_it_closes_in_time_with_the_broker_away_and_leaves_no_task(
    servers: Servers, topic: str, away: str
) -> None:
    before = asyncio.all_tasks()
    log = KafkaLog([servers.environment(proxied=True)["KAFKA_BROKERS"]], "tested")
    async with log.subscribe(uuid4().hex, [topic], ignored) as subscription:
        assert await log.publish([message(topic, b"a")]) == [None]
        await poll_again_and_again(subscription, [b"a"])
        if away == "silent":
            await servers.toxiproxy.spoil("kafka", "timeout", timeout=0)
        else:
            await servers.toxiproxy.set_up("kafka", up=False)
        publishing = asyncio.create_task(log.publish([message(topic, b"b")]))
        await asyncio.sleep(0.2)  # so that the batch is on its way
        began = time.monotonic()
    await log.close()
    took_s = time.monotonic() - began

    assert took_s < 5
    assert all(await publishing)
    await log.close()  # of what that publish began to make
    assert asyncio.all_tasks() <= before


# What an operator has to know


async def test_records_that_were_deleted_unread_are_told(
    servers: Servers, log: KafkaLog, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    group = uuid4().hex
    async with log.subscribe(group, [topic], ignored) as subscription:
        assert await log.publish([message(topic, b"read")]) == [None]
        await poll_again_and_again(subscription, [b"read"])
        await commit_again_and_again(subscription, {Partition(topic, 0): 1})
    assert await log.publish([message(topic, b"unread"), message(topic, b"too")]) == [None] * 2
    async with administered(servers) as admin:
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=3)})
    assert await log.publish([message(topic, b"later")]) == [None]

    async with log.subscribe(group, [topic], ignored) as subscription:
        await poll_again_and_again(subscription, [b"later"])

    # the client has lines of its own about a topic so new that its leader is not known everywhere
    (line,) = [each for each in caplog.messages if f"{topic}, partition 0: " in each]
    assert line.startswith(f"{topic}, partition 0: there is no record 1, ")


async def test_a_topic_that_begins_to_forget_while_it_is_read_is_told_once(
    servers: Servers, log: KafkaLog, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with direct(servers) as setting_up:
        await setting_up.ensure([dlq(topic)])

    def told() -> list[str]:
        return [line.getMessage() for line in caplog.records if "retention.ms" in line.getMessage()]

    async with (
        log.subscribe(uuid4().hex, [topic], ignored) as subscription,
        administered(servers) as admin,
    ):
        await admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "3600000"})]
        )
        async with asyncio.timeout(DEADLINE_S):
            while not told():
                await subscription.poll(full=(), timeout_s=0.1)
        for _ in range(3):
            await log._unassigned("", [topic])  # noqa: SLF001 (as it looks again and again)
        assert len(told()) == 1


@asynccontextmanager
async def administered(servers: Servers) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka.address)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()
