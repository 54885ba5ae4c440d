"""What every event log must do, told by the port alone.

Nothing here waits for time to pass: members poll, and a test waits until what it looks for is so.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random

import pytest

from contracts.ports.bindings import LogBench, LogBinding
from system.kit.adapters.kafka.rules import HEADERS_MAX, UNPACKED_BYTES_MAX
from system.kit.errors import Fenced, Poison, Unavailable
from system.kit.events import REPLAY_FOR, dlq
from system.kit.ports.log import (
    Log,
    Message,
    Partition,
    Record,
    Revoked,
    Subscription,
    header_bytes,
    header_name,
)

PARTITIONS = 3
TOO_LARGE = 1_048_589
NOISE = Random(1).randbytes(3 * TOO_LARGE)
"""No compression makes this smaller."""
ENVELOPE_BYTES = 74
"""Of the largest message with a key of one byte and no headers, what is not its value, plus one."""
KEY_OF_NUMBER = (b"1", b"4", b"0")
"""A key for each partition number, by Kafka's default partitioner."""
POLL_S = 0.05
"""How long a member waits for records before it looks at its partitions again."""


async def ignored(_: frozenset[Partition]) -> None:
    """For a test that does not look at what is revoked."""


@dataclass(eq=False)
class Member:
    """A consumer that polls all the time, and tells what happened to it."""

    id: str
    subscription: Subscription
    records: list[Record] = field(default_factory=list)
    owned: frozenset[Partition] = frozenset()
    stopping: bool = False


class Stage:
    """One topic and one group of a log, and those who act on them."""

    def __init__(self, binding: LogBinding, bench: LogBench, topic: str, log: Log) -> None:
        self.deadline_s = binding.deadline_s
        self.topic = topic
        self.group = bench.name("group")
        self.log = log
        self.client = bench.client
        self.name = bench.name
        self._changed = asyncio.Condition()

    def message(self, number: int, value: bytes = b"") -> Message:
        """A message that lies in the partition of this number."""
        return Message(self.topic, KEY_OF_NUMBER[number], value, ())

    async def publish(self, *values: bytes, number: int = 0) -> None:
        sent = await self.log.publish([self.message(number, value) for value in values])
        assert sent == [None] * len(values)

    @asynccontextmanager
    async def subscribed(
        self, member_id: str, revoked: Revoked = ignored, group: str | None = None
    ) -> AsyncIterator[Subscription]:
        """A subscription that the test polls itself."""
        log = await self.client(member_id)
        async with log.subscribe(group or self.group, [self.topic], revoked) as subscription:
            yield subscription

    @asynccontextmanager
    async def member(
        self,
        member_id: str,
        revoked: Callable[[Member, frozenset[Partition]], Awaitable[None]] | None = None,
    ) -> AsyncIterator[Member]:
        """A subscription that is polled all the time."""
        member: Member

        async def let_go(partitions: frozenset[Partition]) -> None:
            if revoked is not None:
                await revoked(member, partitions)
            member.owned = frozenset()

        async with self.subscribed(member_id, let_go) as subscription:
            member = Member(member_id, subscription)
            polling = asyncio.create_task(self._poll_on(member))
            try:
                yield member
            finally:
                member.stopping = True  # not canceled: a client may not survive that
                await asyncio.wait_for(polling, self.deadline_s)

    async def _poll_on(self, member: Member) -> None:
        while not member.stopping:
            polled = await member.subscription.poll(full=(), timeout_s=POLL_S)
            for records in polled.values():
                member.records += records
            member.owned = frozenset(await member.subscription.lag())
            async with self._changed:
                self._changed.notify_all()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until the members' polls made this so."""
        async with asyncio.timeout(self.deadline_s), self._changed:
            await self._changed.wait_for(holds)

    async def poll_until(
        self, subscription: Subscription, count: int, full: Sequence[Partition] = ()
    ) -> list[Record]:
        """Poll until so many records have come; exactly so many."""
        records: list[Record] = []
        async with asyncio.timeout(self.deadline_s):
            while len(records) < count:
                polled = await subscription.poll(full=full, timeout_s=POLL_S)
                records += [record for part in polled.values() for record in part]
        assert len(records) == count
        return records

    async def all_records(self) -> list[Record]:
        return [record async for record in self.log.read(self.topic)]

    def partition(self, number: int) -> Partition:
        return Partition(self.topic, number)


def values(records: Sequence[Record]) -> list[bytes]:
    return [record.message.value for record in records]


def after(records: Sequence[Record]) -> dict[Partition, int]:
    """The next offsets once these records are done with."""
    return {record.partition: record.offset + 1 for record in records}


class LogSuite:
    """Bound to an adapter by the fixtures `binding` and `bench`."""

    @pytest.fixture
    async def stage(self, binding: LogBinding, bench: LogBench) -> Stage:
        log = await bench.client("publisher")
        topic = bench.name("topic")
        await log.ensure([topic])
        return Stage(binding, bench, topic, log)

    # Publishing and reading

    async def test_a_message_is_read_as_it_was_sent(self, stage: Stage) -> None:
        sent = Message(
            stage.topic,
            b"\x00\xff key",
            b'{"n": 1}\x00',
            (("twice", b"1"), ("é", b""), ("twice", b"\x00\xff")),
        )

        assert await stage.log.publish([sent]) == [None]

        (record,) = await stage.all_records()
        assert record.message == sent
        assert record.offset == 0
        assert record.partition.topic == stage.topic
        assert record.timestamp_ms > 1_600_000_000_000

    async def test_messages_of_one_key_share_a_partition_and_keep_their_order(
        self, stage: Stage
    ) -> None:
        keys = [b"%d" % (number % 7) for number in range(70)]
        messages = [
            Message(stage.topic, key, b"%d" % number, ()) for number, key in enumerate(keys)
        ]

        for start in range(0, len(messages), 20):
            await stage.log.publish(messages[start : start + 20])

        by_key = defaultdict(list)
        for record in await stage.all_records():
            by_key[record.message.key].append(record)
        assert sorted(by_key) == sorted(set(keys))
        for key, records in by_key.items():
            assert len({record.partition for record in records}) == 1
            assert values(records) == [m.value for m in messages if m.key == key]

    async def test_a_key_lies_where_kafkas_default_partitioner_puts_it(self, stage: Stage) -> None:
        for number in range(PARTITIONS):
            await stage.publish(b"", number=number)

        records = await stage.all_records()

        assert {r.message.key: r.partition.number for r in records} == {
            key: number for number, key in enumerate(KEY_OF_NUMBER)
        }

    async def test_offsets_count_from_zero_and_the_end_is_the_next(self, stage: Stage) -> None:
        await stage.publish(b"a", b"b", b"c", number=1)

        records = await stage.all_records()

        assert [record.offset for record in records] == [0, 1, 2]
        assert await stage.log.ends([stage.topic]) == {
            stage.partition(0): 0,
            stage.partition(1): 3,
            stage.partition(2): 0,
        }

    async def test_reading_starts_where_it_is_told(self, stage: Stage) -> None:
        await stage.publish(b"a0", b"a1", b"a2", number=0)
        await stage.publish(b"b0", number=1)
        await stage.publish(b"c0", b"c1", number=2)

        read = [record async for record in stage.log.read(stage.topic, start=1)]

        assert sorted(values(read)) == [b"a1", b"a2", b"c1"]

    async def test_several_topics_are_read_at_once(self, stage: Stage) -> None:
        parking, unused = dlq(stage.topic), stage.name("unused")
        await stage.log.ensure([parking, unused])
        await stage.publish(b"a", number=0)
        await stage.log.publish([Message(parking, b"1", b"b", ())])

        read = [record async for record in stage.log.read(stage.topic, parking, unused)]

        assert sorted((record.partition.topic, record.message.value) for record in read) == sorted(
            [(stage.topic, b"a"), (parking, b"b")]
        )

    async def test_reading_stops_at_the_end_that_was_when_it_began(self, stage: Stage) -> None:
        await stage.publish(b"before")

        read = []
        async for record in stage.log.read(stage.topic):
            read.append(record)
            for number in range(PARTITIONS):
                await stage.publish(b"meanwhile", number=number)

        assert values(read) == [b"before"]

    async def test_a_message_over_the_limit_is_poison_and_only_a_prefix_is_stored(
        self, stage: Stage
    ) -> None:
        too_large = NOISE[:TOO_LARGE]

        first, large, later, elsewhere = await stage.log.publish(
            [
                stage.message(0, b"first"),
                stage.message(0, too_large),
                stage.message(0, b"later"),
                stage.message(1, b"elsewhere"),
            ]
        )

        assert (first, elsewhere) == (None, None)
        assert isinstance(large, Poison)
        assert later is not None
        assert not isinstance(later, Poison)
        assert sorted(values(await stage.all_records())) == [b"elsewhere", b"first"]

    async def test_more_headers_than_a_reader_may_be_made_to_hold_are_poison(
        self, stage: Stage
    ) -> None:
        most = replace(stage.message(0, b"most"), headers=(("h", b""),) * HEADERS_MAX)
        more = replace(most, headers=(("h", b""),) * (HEADERS_MAX + 1))

        outcomes = await stage.log.publish([most, more])

        assert outcomes[0] is None
        assert isinstance(outcomes[1], Poison)
        assert [record.message for record in await stage.all_records()] == [most]

    async def test_after_a_refused_message_the_partition_takes_others(self, stage: Stage) -> None:
        await stage.log.publish([stage.message(0, NOISE[:TOO_LARGE]), stage.message(0, b"later")])

        await stage.publish(b"later")

        assert values(await stage.all_records()) == [b"later"]

    async def test_the_largest_message_of_a_topic_can_be_parked_with_its_facts(
        self, stage: Stage
    ) -> None:
        parking = dlq(stage.topic)
        await stage.log.ensure([parking])
        largest = stage.message(0, NOISE[: TOO_LARGE - ENVELOPE_BYTES])
        one_more = stage.message(1, NOISE[: TOO_LARGE - ENVELOPE_BYTES + 1])
        facts = (("trace", b"t" * 20_000),)
        parked = Message(parking, largest.key, largest.value, facts)

        fits, too_large, is_parked = await stage.log.publish([largest, one_more, parked])

        assert fits is None
        assert isinstance(too_large, Poison)
        assert is_parked is None
        (found,) = [record async for record in stage.log.read(parking)]
        assert found.message == parked

    async def test_the_largest_message_of_a_topic_can_be_replayed(self, stage: Stage) -> None:
        largest = stage.message(0, NOISE[: TOO_LARGE - ENVELOPE_BYTES])
        replay = replace(largest, headers=((REPLAY_FOR, b"product-consumer"),))

        assert await stage.log.publish([largest, replay]) == [None, None]

        sent = [record.message for record in await stage.all_records()]
        assert sent == [largest, replay]

    async def test_what_no_place_for_dead_letters_takes_is_poison_too(self, stage: Stage) -> None:
        parking = dlq(stage.topic)
        await stage.log.ensure([parking])

        (outcome,) = await stage.log.publish([Message(parking, b"1", NOISE, ())])

        assert isinstance(outcome, Poison)

    async def test_what_its_topic_takes_only_compressed_is_kept_as_it_was(
        self, stage: Stage
    ) -> None:
        """As may come from elsewhere: a topic's limit is one of what is stored."""
        sent = [
            stage.message(0, b"before"),
            stage.message(0, b"x" * 5_000_000),
            replace(stage.message(0), headers=(("h", b"y" * 2_000_000),)),
            replace(
                stage.message(0), headers=tuple((f"h{n}", b"v" * 90) for n in range(HEADERS_MAX))
            ),
            stage.message(0, b"after"),
        ]

        assert await stage.log.publish(sent) == [None] * len(sent)

        assert [record.message for record in await stage.all_records()] == sent

    async def test_what_nobody_could_unpack_is_poison_however_small_it_is_stored(
        self, stage: Stage
    ) -> None:
        (outcome,) = await stage.log.publish([stage.message(0, bytes(UNPACKED_BYTES_MAX))])

        assert isinstance(outcome, Poison)

    async def test_a_header_s_name_may_be_any_bytes(self, stage: Stage) -> None:
        names = (b"\xff\xfe", b"\xc3", "é".encode(), b"", b"\xed\xa0\x80")
        sent = replace(
            stage.message(0, b"v"),
            headers=tuple((header_name(name), name) for name in names),
        )

        assert await stage.log.publish([sent, stage.message(0, b"after")]) == [None, None]

        found, after = await stage.all_records()
        assert found.message == sent
        assert [header_bytes(name) for name, _ in found.message.headers] == list(names)
        assert after.message.value == b"after"

    async def test_one_record_is_found_by_its_place(self, stage: Stage) -> None:
        await stage.publish(b"a", b"b", b"c", number=1)
        place = stage.partition(1)

        found = await stage.log.record(place, 1)

        assert found is not None
        assert (found.message.value, found.partition, found.offset) == (b"b", place, 1)
        for offset in (-1, 3, 1_000_000):
            assert await stage.log.record(place, offset) is None
        assert await stage.log.record(stage.partition(0), 0) is None
        assert await stage.log.record(stage.partition(PARTITIONS), 0) is None

    async def test_a_topic_that_nobody_made_takes_nothing(self, stage: Stage) -> None:
        nowhere = Message(stage.name("nowhere"), b"1", b"", ())

        sent = await stage.log.publish([nowhere, stage.message(0, b"here")])

        assert isinstance(sent[0], Unavailable)
        assert sent[1] is None
        assert values(await stage.all_records()) == [b"here"]

    async def test_making_a_topic_again_changes_nothing(self, stage: Stage) -> None:
        await stage.publish(b"kept")

        await stage.log.ensure([stage.topic])
        await (await stage.client("another")).ensure([stage.topic])

        assert values(await stage.all_records()) == [b"kept"]

    async def test_publishing_nothing_is_fine(self, stage: Stage) -> None:
        assert list(await stage.log.publish([])) == []

    # One member

    async def test_a_new_group_begins_with_the_earliest_record(self, stage: Stage) -> None:
        await stage.publish(b"a", b"b")

        async with stage.subscribed("m") as subscription:
            records = await stage.poll_until(subscription, 2)

        assert values(records) == [b"a", b"b"]

    async def test_a_poll_gives_each_partition_in_order_and_nothing_twice(
        self, stage: Stage
    ) -> None:
        async with stage.member("m") as member:
            for number in range(60):
                await stage.publish(b"%d" % number, number=number % PARTITIONS)
            await stage.until(lambda: len(member.records) >= 60)

        by_partition = defaultdict(list)
        for record in member.records:
            by_partition[record.partition.number].append(int(record.message.value))
        assert by_partition == {n: list(range(n, 60, PARTITIONS)) for n in range(PARTITIONS)}

    async def test_a_waiting_poll_ends_when_a_message_comes(self, stage: Stage) -> None:
        async with stage.subscribed("m") as subscription:
            assert await subscription.poll(full=(), timeout_s=POLL_S) == {}
            loop = asyncio.get_running_loop()
            began_at = loop.time()
            polling = asyncio.create_task(
                subscription.poll(full=(), timeout_s=stage.deadline_s * 10)
            )
            done, _ = await asyncio.wait({polling}, timeout=POLL_S)
            assert not done

            await stage.publish(b"news")
            async with asyncio.timeout(stage.deadline_s):
                polled = await polling

        assert values(polled[stage.partition(0)]) == [b"news"]
        assert loop.time() - began_at < stage.deadline_s

    async def test_a_poll_gives_up_after_its_time(self, stage: Stage) -> None:
        async with stage.subscribed("m") as subscription:
            async with asyncio.timeout(stage.deadline_s):
                assert await subscription.poll(full=(), timeout_s=POLL_S) == {}
                assert await subscription.poll(full=(), timeout_s=0) == {}

    async def test_a_full_partition_gives_nothing_until_it_is_not_and_then_skips_nothing(
        self, stage: Stage
    ) -> None:
        full = [stage.partition(0)]
        await stage.publish(b"full 0")
        await stage.publish(b"free 0", number=1)

        async with stage.subscribed("m") as subscription:
            first = await stage.poll_until(subscription, 1, full=full)
            await stage.publish(b"full 1")
            await stage.publish(b"free 1", number=1)
            second = await stage.poll_until(subscription, 1, full=full)
            third = await stage.poll_until(subscription, 2)

        assert values(first) == [b"free 0"]
        assert values(second) == [b"free 1"]
        assert values(third) == [b"full 0", b"full 1"]

    async def test_polling_with_every_partition_full_keeps_the_membership(
        self, stage: Stage
    ) -> None:
        full = [stage.partition(number) for number in range(PARTITIONS)]
        await stage.publish(b"a")

        async with stage.subscribed("m") as subscription:
            await stage.poll_until(subscription, 1)
            for _ in range(3):
                assert await subscription.poll(full=full, timeout_s=POLL_S) == {}
            await subscription.commit({stage.partition(0): 1})

        assert (await stage.log.committed(stage.group))[stage.partition(0)] == 1

    async def test_seeking_back_gives_records_again(self, stage: Stage) -> None:
        await stage.publish(b"a", b"b", b"c")

        async with stage.subscribed("m") as subscription:
            await stage.poll_until(subscription, 3)
            await subscription.seek(stage.partition(0), 1)
            again = await stage.poll_until(subscription, 2)

        assert values(again) == [b"b", b"c"]

    async def test_lag_counts_what_was_not_given_yet(self, stage: Stage) -> None:
        async with stage.subscribed("m") as subscription:
            assert await subscription.poll(full=(), timeout_s=POLL_S) == {}
            await stage.publish(b"a", b"b", number=2)
            full = [stage.partition(2)]
            await subscription.poll(full=full, timeout_s=POLL_S)
            behind = await subscription.lag()
            await stage.poll_until(subscription, 2)
            caught_up = await subscription.lag()

        assert behind == {stage.partition(0): 0, stage.partition(1): 0, stage.partition(2): 2}
        assert set(caught_up.values()) == {0}

    # Commits

    async def test_a_group_goes_on_where_it_committed(self, stage: Stage) -> None:
        await stage.publish(b"a", b"b", b"c")
        async with stage.subscribed("m") as subscription:
            await stage.poll_until(subscription, 3)
            await subscription.commit({stage.partition(0): 2})

        async with stage.subscribed("m") as subscription:
            records = await stage.poll_until(subscription, 1)

        assert values(records) == [b"c"]

    async def test_what_was_not_committed_comes_again(self, stage: Stage) -> None:
        await stage.publish(b"a", b"b")
        async with stage.subscribed("m") as subscription:
            await stage.poll_until(subscription, 2)

        async with stage.subscribed("m") as subscription:
            assert values(await stage.poll_until(subscription, 2)) == [b"a", b"b"]

    async def test_anyone_can_see_what_a_group_committed(self, stage: Stage) -> None:
        await stage.publish(b"a")
        async with stage.subscribed("m") as subscription:
            await stage.poll_until(subscription, 1)
            await subscription.commit({stage.partition(0): 1})

        assert await stage.log.committed(stage.group) == {stage.partition(0): 1}
        assert await stage.log.committed(stage.name("unknown")) == {}

    async def test_groups_do_not_know_each_other(self, stage: Stage) -> None:
        await stage.publish(b"a")
        other = stage.name("other")

        async with (
            stage.subscribed("m") as subscription,
            stage.subscribed("m", group=other) as another,
        ):
            await stage.poll_until(subscription, 1)
            await subscription.commit({stage.partition(0): 1})
            assert values(await stage.poll_until(another, 1)) == [b"a"]

        assert await stage.log.committed(other) == {}

    # Many members

    async def test_members_share_the_partitions_and_each_is_read_by_one(self, stage: Stage) -> None:
        every = {stage.partition(number) for number in range(PARTITIONS)}

        async with stage.member("a") as a:
            await stage.until(lambda: a.owned == every)
            async with stage.member("b") as b, stage.member("c") as c:
                await stage.until(lambda: len(a.owned) == len(b.owned) == len(c.owned) == 1)
                assert a.owned | b.owned | c.owned == every

    async def test_partitions_are_let_go_before_another_member_has_them(self, stage: Stage) -> None:
        revoking, may_let_go = asyncio.Event(), asyncio.Event()

        async def slowly(_: Member, __: frozenset[Partition]) -> None:
            revoking.set()
            await may_let_go.wait()

        await stage.publish(b"a")
        async with stage.member("a", slowly) as a:
            await stage.until(lambda: len(a.owned) == PARTITIONS)
            async with stage.subscribed("b") as b:
                async with asyncio.timeout(stage.deadline_s):
                    while not revoking.is_set():
                        assert await b.poll(full=(), timeout_s=POLL_S) == {}
                for _ in range(3):
                    assert await b.poll(full=(), timeout_s=POLL_S) == {}
                    assert await b.lag() == {}
                may_let_go.set()
                async with asyncio.timeout(stage.deadline_s):
                    while not await b.lag():
                        await b.poll(full=(), timeout_s=POLL_S)

    async def test_everything_a_member_has_is_revoked_at_once(self, stage: Stage) -> None:
        revoked: list[frozenset[Partition]] = []

        async def noted(_: Member, partitions: frozenset[Partition]) -> None:
            revoked.append(partitions)

        async with stage.member("a", noted) as a:
            await stage.until(lambda: len(a.owned) == PARTITIONS)
            async with stage.member("b") as b:
                await stage.until(lambda: bool(a.owned) and bool(b.owned))
                assert revoked == [
                    frozenset(stage.partition(number) for number in range(PARTITIONS))
                ]

    async def test_a_commit_while_partitions_are_revoked_counts(self, stage: Stage) -> None:
        for number in range(PARTITIONS):
            await stage.publish(b"a", b"b", number=number)

        async def commits(member: Member, partitions: frozenset[Partition]) -> None:
            await member.subscription.commit(dict.fromkeys(partitions, 1))

        async with stage.member("a", commits) as a:
            await stage.until(lambda: len(a.records) == 2 * PARTITIONS)
            seen = len(a.records)
            async with stage.member("b") as b:
                await stage.until(lambda: len(a.records) + len(b.records) >= seen + PARTITIONS)
                again = values(a.records[seen:] + b.records)

        assert again == [b"b"] * PARTITIONS

    async def test_a_commit_for_a_partition_of_someone_else_is_lost(self, stage: Stage) -> None:
        async with stage.member("a") as a, stage.member("b") as b:
            await stage.until(lambda: len(a.owned) + len(b.owned) == PARTITIONS)
            await stage.until(lambda: bool(a.owned) and bool(b.owned))
            with pytest.raises(Fenced):
                await a.subscription.commit(dict.fromkeys(b.owned, 0))

        assert await stage.log.committed(stage.group) == {}

    async def test_a_commit_of_a_member_that_was_replaced_is_lost(self, stage: Stage) -> None:
        await stage.publish(b"a")
        async with stage.subscribed("m") as older:
            await stage.poll_until(older, 1)
            async with stage.subscribed("m") as later:
                assert values(await stage.poll_until(later, 1)) == [b"a"]
                with pytest.raises(Fenced):
                    await older.commit({stage.partition(0): 1})
                await later.commit({stage.partition(0): 1})

        assert await stage.log.committed(stage.group) == {stage.partition(0): 1}

    async def test_leaving_waits_for_its_revocation_and_hands_over(self, stage: Stage) -> None:
        await stage.publish(b"a", b"b")

        async def commits(member: Member, partitions: frozenset[Partition]) -> None:
            if stage.partition(0) in partitions:
                await member.subscription.commit({stage.partition(0): 1})

        async with stage.member("a", commits) as a:
            await stage.until(lambda: len(a.records) == 2)
        async with stage.member("b") as b:
            await stage.until(lambda: len(b.records) == 1)

        assert values(b.records) == [b"b"]

    async def test_who_stays_gets_the_partitions_of_who_leaves(self, stage: Stage) -> None:
        async with stage.member("a") as a:
            async with stage.member("b") as b:
                await stage.until(lambda: bool(a.owned) and bool(b.owned))
            await stage.until(lambda: len(a.owned) == PARTITIONS)

    async def test_no_record_is_lost_or_skipped_while_members_come_and_go(
        self, stage: Stage
    ) -> None:
        done: dict[Partition, list[int]] = defaultdict(list)
        sent = 0

        async def finishes(member: Member, _: frozenset[Partition]) -> None:
            await commit_all(member)

        async def commit_all(member: Member) -> None:
            taken, member.records = member.records, []
            for record in taken:
                done[record.partition].append(record.offset)
            await member.subscription.commit(after(taken))

        async def send(count: int) -> None:
            nonlocal sent
            for number in range(count):
                await stage.publish(b"%d" % (sent + number), number=number % PARTITIONS)
            sent += count

        def pending(*members: Member) -> Callable[[], bool]:
            return lambda: (
                sum(map(len, done.values())) + sum(len(m.records) for m in members) == sent
            )

        async with stage.member("a", finishes) as a:
            await send(30)
            await stage.until(lambda: len(a.records) > 0)
            async with stage.member("b", finishes) as b:
                await send(30)
                await stage.until(lambda: bool(a.owned) and bool(b.owned))
                await send(30)
                async with stage.member("c", finishes) as c:
                    await send(30)
                    await stage.until(pending(a, b, c))
            await send(30)
            await stage.until(pending(a))

        ends: Mapping[Partition, int] = await stage.log.ends([stage.topic])
        assert done == {partition: list(range(end)) for partition, end in ends.items()}
        assert await stage.log.committed(stage.group) == ends
