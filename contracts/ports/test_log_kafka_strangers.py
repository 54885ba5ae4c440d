"""What producers of somebody else write to a topic, and how the Kafka log reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from scenarios.harness.servers import shared
from scenarios.harness.strangers import (
    CODECS,
    RawBatch,
    Stranger,
    record,
    stranger,
    transaction,
    with_empty_headers,
)
from system.kit.adapters.kafka.group import GroupRules
from system.kit.adapters.kafka.log import KafkaLog
from system.kit.errors import Fenced, Misconfigured, Unavailable
from system.kit.ports.log import Partition, Record, Subscription, header_bytes

pytestmark = pytest.mark.stack("local")

RULES = GroupRules(session_s=3.0, watch_s=1.0, stuck_s=3.0, covered_s=2.0)
DEADLINE_S = 60.0
"""In which new partitions must be read; a test waits no longer for anything."""


@pytest.fixture
async def address() -> str:
    return (await shared.servers()).kafka.address


@asynccontextmanager
async def log_of(
    address: str, client_id: str, rules: GroupRules = RULES
) -> AsyncIterator[KafkaLog]:
    log = KafkaLog([address], client_id, rules=rules)
    try:
        yield log
    finally:
        await log.close()


@pytest.fixture
async def log(address: str) -> AsyncIterator[KafkaLog]:
    async with log_of(address, f"reader-{uuid4().hex[:8]}") as log:
        yield log


@pytest.fixture
async def topic(log: KafkaLog) -> str:
    name = f"topic-{uuid4().hex[:12]}"
    await log.ensure([name])
    return name


@pytest.fixture
async def other(address: str) -> AsyncIterator[Stranger]:
    async with stranger(address) as other:
        yield other


async def ignored(_: frozenset[Partition]) -> None:
    """Nothing is in hand here."""


async def all_of(log: KafkaLog, topic: str) -> list[Record]:
    async with asyncio.timeout(DEADLINE_S):
        return [record async for record in log.read(topic)]


@dataclass
class Reader:
    """A member that commits whatever it was given."""

    subscription: Subscription
    records: list[Record]

    async def until(self, *values: bytes) -> None:
        """Poll until these values have come."""
        async with asyncio.timeout(DEADLINE_S):
            while not {r.message.value for r in self.records} >= set(values):
                await self.poll()

    async def until_committed(
        self, log: KafkaLog, group: str, wanted: Mapping[Partition, int]
    ) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while await log.committed(group) != wanted:
                await self.poll()

    async def poll(self) -> None:
        try:
            polled = await self.subscription.poll(full=(), timeout_s=0.1)
            self.records += [record for part in polled.values() for record in part]
            await self.subscription.commit(
                {place: part[-1].offset + 1 for place, part in polled.items()}
            )
        except Unavailable:
            await asyncio.sleep(0.1)
        except Fenced:
            return


@asynccontextmanager
async def reader(log: KafkaLog, group: str, *topics: str) -> AsyncIterator[Reader]:
    async with log.subscribe(group, topics, ignored) as subscription:
        yield Reader(subscription, [])


# --- bytes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", CODECS)
async def test_a_batch_of_any_codec_is_read(
    log: KafkaLog, topic: str, other: Stranger, codec: str
) -> None:
    batch = [record(0, b"a", b"1", [(b"h", b"x")]), record(1, None, None, [(b"n", None)])]
    await other.send(topic, 0, RawBatch(batch, codec))

    first, second = await all_of(log, topic)

    assert (first.message.key, first.message.value) == (b"a", b"1")
    assert first.message.headers == (("h", b"x"),)
    assert (second.message.key, second.message.value, second.offset) == (b"", b"", 1)


@pytest.mark.parametrize("codec", ["none", "gzip", "zstd"])
async def test_a_name_of_a_header_that_is_no_utf_8_is_read_and_its_neighbours_too(
    log: KafkaLog, topic: str, other: Stranger, codec: str
) -> None:
    batch = [
        record(0, b"k", b"before"),
        record(1, b"k", b"strange", [(b"\xff\xfe", b"x"), (b"ok", b"y")]),
        record(2, b"k", b"behind"),
    ]
    await other.send(topic, 0, RawBatch(batch, codec))
    await other.send(topic, 0, RawBatch([record(0, b"k", b"next")]))

    records = await all_of(log, topic)

    assert [r.message.value for r in records] == [b"before", b"strange", b"behind", b"next"]
    assert [header_bytes(name) for name, _ in records[1].message.headers] == [b"\xff\xfe", b"ok"]
    assert {r.unreadable for r in records} == {None}


BOMBS: dict[str, Callable[[], RawBatch]] = {
    "gzip": lambda: RawBatch([record(0, b"k", bytes(40_000_000))], "gzip"),
    "lz4": lambda: RawBatch([record(0, b"k", bytes(40_000_000))], "lz4"),
    "zstd": lambda: RawBatch([record(0, b"k", bytes(300_000_000))], "zstd"),
    "records": lambda: RawBatch([record(n, b"", b"") for n in range(400_000)], "zstd"),
    "headers": lambda: RawBatch([with_empty_headers(0, 15_000_000)], "zstd"),
}
"""Snappy makes nothing 32 times smaller, so none of it fits into a topic."""


@pytest.mark.parametrize("bomb", BOMBS)
async def test_what_would_be_too_much_unpacked_is_passed_over_in_its_place(
    log: KafkaLog, topic: str, other: Stranger, bomb: str
) -> None:
    place = await other.send(topic, 0, RawBatch([record(0, b"k", b"before")])) + 1
    assert await other.send(topic, 0, BOMBS[bomb]()) == place
    await other.send(topic, 0, RawBatch([record(0, b"k", b"behind")]))
    group = uuid4().hex

    before, stand_in, behind = await all_of(log, topic)
    async with reader(log, group, topic) as member:
        await member.until(b"behind")

    assert (before.message.value, behind.message.value) == (b"before", b"behind")
    assert stand_in.unreadable is not None
    assert "TooMuch" in stand_in.unreadable.reason
    assert stand_in.offset == place
    assert [r.unreadable is not None for r in member.records] == [False, True, False]
    found = await log.record(Partition(topic, 0), place)
    assert found is not None
    assert found.unreadable == stand_in.unreadable


async def test_a_batch_that_cannot_be_unpacked_at_the_end_leaves_no_lag(
    log: KafkaLog, topic: str, other: Stranger
) -> None:
    """It stands for several records, behind the last of which the group must go on."""
    group = uuid4().hex
    await other.send(topic, 0, RawBatch([record(n, b"k", bytes(10**7)) for n in range(5)], "gzip"))

    async with reader(log, group, topic) as member:
        await member.until_committed(log, group, {Partition(topic, 0): 5})

    assert len(member.records) == 1


@pytest.mark.parametrize("places", [(0, 0), (0, 5_000_000), (-7, -7)])
async def test_each_record_has_its_place_whatever_its_producer_says(
    log: KafkaLog, topic: str, other: Stranger, places: tuple[int, int]
) -> None:
    """The broker looks at what is said of places only in compressed batches."""
    group = uuid4().hex
    await other.send(topic, 0, RawBatch([record(0, b"k", b"before")]))
    await other.send(topic, 0, RawBatch([record(n, b"k", b"%d" % n) for n in places]))

    async with reader(log, group, topic) as member:
        await member.until_committed(log, group, {Partition(topic, 0): 3})

    assert [r.offset for r in member.records] == [0, 1, 2]
    assert [r.offset for r in await all_of(log, topic)] == [0, 1, 2]


async def test_a_time_before_all_times_is_a_time(
    log: KafkaLog, topic: str, other: Stranger
) -> None:
    await other.send(topic, 0, RawBatch([record(0, b"k", b"v")], timestamp_ms=-1))

    (found,) = await all_of(log, topic)

    assert found.timestamp_ms == -1


# --- transactions ---------------------------------------------------------------------------------


async def send(producer: AIOKafkaProducer, topic: str, *values: bytes) -> None:
    for value in values:
        await producer.send_and_wait(topic, value, key=b"k", partition=0)


async def test_what_was_aborted_is_never_seen_and_leaves_no_lag(
    log: KafkaLog, topic: str, address: str
) -> None:
    group, place = uuid4().hex, Partition(topic, 0)
    async with transaction(address) as producer:
        await send(producer, topic, b"aborted 1", b"aborted 2")
        await producer.abort_transaction()

    async with reader(log, group, topic) as member:
        await member.until_committed(log, group, {place: 3})  # two, and the mark behind them
        async with transaction(address) as producer:
            await send(producer, topic, b"good")
            await producer.commit_transaction()
        await member.until(b"good")
        await member.until_committed(log, group, {place: 5})
        lag = await member.subscription.lag()

    assert [r.message.value for r in member.records] == [b"good"]
    assert [r.message.value for r in await all_of(log, topic)] == [b"good"]
    assert await log.ends([topic]) == {place: 5, Partition(topic, 1): 0, Partition(topic, 2): 0}
    assert lag[place] == 0


async def test_what_is_in_hand_is_not_passed_over_with_the_mark_behind_it(
    log: KafkaLog, topic: str, address: str
) -> None:
    """A group is brought past marks by itself; past what it was given only by whoever handled it."""
    group, place = uuid4().hex, Partition(topic, 0)
    async with transaction(address) as producer:
        await send(producer, topic, b"in hand")
        await producer.commit_transaction()

    async with log.subscribe(group, [topic], ignored) as subscription:
        records: list[Record] = []
        async with asyncio.timeout(DEADLINE_S):
            while not records:
                polled = await subscription.poll(full=(), timeout_s=0.1)
                records += [record for part in polled.values() for record in part]
        for _ in range(30):
            await subscription.poll(full=(), timeout_s=0.1)
            assert await log.committed(group) == {}
        await subscription.commit({place: 1})
        async with asyncio.timeout(DEADLINE_S):
            while await log.committed(group) != {place: 2}:
                await subscription.poll(full=(), timeout_s=0.1)


async def test_an_open_transaction_stops_no_read_and_no_watch_and_shows_as_lag(
    log: KafkaLog, topic: str, address: str, other: Stranger
) -> None:
    group, place = uuid4().hex, Partition(topic, 0)
    await other.send(topic, 0, RawBatch([record(0, b"k", b"before")]))
    async with transaction(address) as producer:
        await send(producer, topic, b"open")
        await other.send(topic, 0, RawBatch([record(0, b"k", b"behind")]))

        assert [r.message.value for r in await all_of(log, topic)] == [b"before"]
        assert (await log.ends([topic]))[place] == 1
        assert await log.record(place, 1) is None
        async with reader(log, group, topic) as member:
            await member.until_committed(log, group, {place: 1})
            # past every time after which a membership is given up
            ends_at = asyncio.get_running_loop().time() + RULES.stuck_s + 3 * RULES.watch_s
            while asyncio.get_running_loop().time() < ends_at:
                await member.subscription.poll(full=(), timeout_s=0.1)  # raises if it is
            assert (await member.subscription.lag())[place] == 2
            await producer.commit_transaction()
            await member.until(b"open", b"behind")
            await member.until_committed(log, group, {place: 4})

    assert [r.message.value for r in member.records] == [b"before", b"open", b"behind"]


async def test_a_transaction_whose_producer_died_ends_by_itself(
    log: KafkaLog, topic: str, address: str, other: Stranger
) -> None:
    async with transaction(address, timeout_ms=1_000) as producer:
        await send(producer, topic, b"never committed")
        await other.send(topic, 0, RawBatch([record(0, b"k", b"behind")]))
        async with reader(log, uuid4().hex, topic) as member:
            await member.until(b"behind")

    assert [r.message.value for r in member.records] == [b"behind"]


# --- membership -----------------------------------------------------------------------------------


@asynccontextmanager
async def admin_of(address: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def test_new_partitions_are_read_also_by_one_that_restarted_within_its_session(
    address: str, topic: str, other: Stranger
) -> None:
    group = uuid4().hex
    async with log_of(address, "restarts") as log, reader(log, group, topic) as before:
        await other.send(topic, 0, RawBatch([record(0, b"k", b"3")]))
        await before.until(b"3")
    async with log_of(address, "restarts") as log, reader(log, group, topic) as member:
        for partitions in (6, 12):
            async with admin_of(address) as admin:
                await admin.create_partitions({topic: NewPartitions(partitions)})
            async with stranger(address) as fresh:  # which knows of them
                for number in range(partitions):
                    batch = RawBatch([record(0, b"k", b"%d/%d" % (number, partitions))])
                    await fresh.send(topic, number, batch)
            await member.until(*(b"%d/%d" % (number, partitions) for number in range(partitions)))


async def test_a_new_topic_is_read_also_by_one_that_restarted_within_its_session(
    address: str, topic: str, other: Stranger
) -> None:
    group, later = uuid4().hex, f"later-{uuid4().hex[:12]}"
    async with log_of(address, "restarts") as log:
        async with reader(log, group, topic) as before:
            await other.send(topic, 0, RawBatch([record(0, b"k", b"1")]))
            await before.until(b"1")
        await log.ensure([later])
    async with log_of(address, "restarts") as log, reader(log, group, topic, later) as member:
        await other.send(later, 1, RawBatch([record(0, b"k", b"2")]))
        await member.until(b"2")


async def test_a_new_topic_is_read_when_only_one_that_restarted_knows_it(
    address: str, topic: str, other: Stranger
) -> None:
    """As while a group is renewed member by member. The leader has no reason to deal anew."""
    group, later = uuid4().hex, f"later-{uuid4().hex[:12]}"
    async with log_of(address, "leads") as log, reader(log, group, topic) as leader:
        await other.send(topic, 0, RawBatch([record(0, b"k", b"1")]))
        await leader.until(b"1")
        async with log_of(address, "restarts") as own, reader(own, group, topic) as before:
            await other.send(topic, 1, RawBatch([record(0, b"k", b"2")]))
            await both_until(leader, before, topic, 3)
        await log.ensure([later])
        async with log_of(address, "restarts") as own, reader(own, group, topic, later) as member:
            await other.send(later, 0, RawBatch([record(0, b"k", b"3")]))
            await both_until(leader, member, later, 3)
            await member.until(b"3")


async def both_until(one: Reader, another: Reader, topic: str, partitions: int) -> None:
    """Poll with both until all partitions of this topic are somebody's and each has some."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            await asyncio.gather(one.poll(), another.poll())
            hands = [await member.subscription.lag() for member in (one, another)]
            owned = [place for hand in hands for place in hand if place.topic == topic]
            if all(hands) and len(owned) == partitions:
                return


@pytest.mark.parametrize("restarted", [False, True], ids=["from the start", "restarted"])
async def test_a_topic_that_is_deleted_and_made_again_is_read(
    address: str, topic: str, restarted: bool
) -> None:
    group = uuid4().hex
    async with log_of(address, "restarts") as log, reader(log, group, topic) as before:
        await write(address, topic, b"old 1", b"old 2")
        await before.until(b"old 1", b"old 2")
        member = before
        if not restarted:
            await make_again(address, log, topic)
            await write(address, topic, b"new 1", b"new 2", b"new 3")
            await member.until(b"new 1", b"new 2", b"new 3")
    if restarted:
        async with log_of(address, "restarts") as log, reader(log, group, topic) as member:
            await member.poll()
            await make_again(address, log, topic)
            await write(address, topic, b"new 1", b"new 2", b"new 3")
            await member.until(b"new 1", b"new 2", b"new 3")


async def write(address: str, topic: str, *values: bytes) -> None:
    async with stranger(address) as fresh:
        for value in values:
            await fresh.send(topic, 0, RawBatch([record(0, b"k", value)]))


async def make_again(address: str, log: KafkaLog, topic: str) -> None:
    async with admin_of(address) as admin:
        await admin.delete_topics([topic])
        async with asyncio.timeout(DEADLINE_S):
            while topic in await admin.list_topics():
                await asyncio.sleep(0.1)
    await log.ensure([topic])


async def test_a_session_that_the_broker_refuses_is_said_with_the_setting(
    address: str, topic: str
) -> None:
    async with (
        log_of(address, "hasty", GroupRules(session_s=0.5)) as log,
        log.subscribe(uuid4().hex, [topic], ignored) as subscription,
    ):
        with pytest.raises(Misconfigured, match="set KAFKA_SESSION_TIMEOUT"):
            await poll_for_ever(subscription)


async def poll_for_ever(subscription: Subscription) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            await subscription.poll(full=(), timeout_s=0.1)
