"""The consumer's lanes: one per partition, in order; who waits in one holds up no other."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from chaos.kit.points import FaultyLog, Hop
from scenarios.delivery.bench import Bench, bench, in_virtual_time, message, registered
from scenarios.harness.fault_rules import Switchboard
from scenarios.harness.settled import eventually
from system.kit import logs
from system.kit.delivery import consumer
from system.kit.delivery.consumer import Chain, Consumer
from system.kit.delivery.middleware import Batch, Step
from system.kit.errors import Stopping
from system.kit.lifespan import Lifespan
from system.kit.ports.log import Log, Message, Partition, Record

TOPIC = "user.created"
PARTITIONS = 3
GROUP = "lanes"
PER_KEY = 5


@dataclass
class Handled:
    """The innermost step: notes what comes, and waits where it is told to."""

    offsets: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    held: set[int] = field(default_factory=set)
    """Partitions whose batches do not end."""
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    begun: int = 0

    def chain(self) -> Chain:
        def lane(lifespan: Lifespan) -> Step:
            async def step(batch: Batch) -> None:
                self.begun += 1
                number = batch.records[0].partition.number
                while number in self.held:
                    await lifespan.sleep(1)
                self.offsets[number] += [record.offset for record in batch.records]

            return step

        return lane


def keys(count: int = 30) -> list[Message]:
    """Messages over all partitions, several of each."""
    return [message(registered(id)) for id in range(1, count + 1)]


async def committed(log: Log) -> Mapping[int, int]:
    return {place.number: offset for place, offset in (await log.committed(GROUP)).items()}


@asynccontextmanager
async def consuming(
    it: Bench, handled: Handled, *, log: Log | None = None, member: str = "a"
) -> AsyncIterator[Lifespan]:
    lifespan = Lifespan()
    made = Consumer(
        "consumer",
        GROUP,
        {TOPIC: handled.chain()},
        log=log or it.parts.log(member),
        metrics=it.metrics,
        logger=logs.logger("consumer"),
    )
    task = asyncio.create_task(made.run(lifespan))
    try:
        yield lifespan
    finally:
        lifespan.stopping.set()
        await task


async def ends(it: Bench) -> dict[int, int]:
    found = await it.parts.log("x").ends([TOPIC])
    return {place.number: end for place, end in found.items()}


async def all_done(it: Bench, *, but: Collection[int] = ()) -> None:
    """Every partition but these is handled and committed to its end."""
    wanted = {number: end for number, end in (await ends(it)).items() if number not in but}

    async def done() -> bool:
        so_far = await committed(it.parts.log("x"))
        return all(so_far.get(number, 0) == end for number, end in wanted.items())

    await eventually(done)


@in_virtual_time
async def test_each_partition_is_handled_in_its_order() -> None:
    handled = Handled()
    async with bench() as it:
        async with consuming(it, handled):
            for _ in range(PER_KEY):
                await it.parts.log("x").publish(keys())
            await all_done(it)
        for number, end in (await ends(it)).items():
            assert handled.offsets[number] == list(range(end))


@pytest.mark.parametrize("blocked", range(PARTITIONS))
def test_a_lane_that_waits_holds_up_no_other(blocked: int) -> None:
    @in_virtual_time
    async def goes_on() -> None:
        handled = Handled(held={blocked})
        async with bench() as it, consuming(it, handled):
            for _ in range(PER_KEY):
                await it.parts.log("x").publish(keys())
            await all_done(it, but=[blocked])
            assert handled.offsets[blocked] == []
            assert blocked not in await committed(it.parts.log("x"))

            handled.held.clear()
            await all_done(it)
            assert handled.offsets[blocked] == list(range((await ends(it))[blocked]))

    goes_on()


@in_virtual_time
async def test_membership_is_kept_while_a_lane_waits_for_an_hour() -> None:
    handled = Handled(held={0})
    async with bench() as it, consuming(it, handled):
        await it.parts.log("x").publish(keys())
        await all_done(it, but=[0])
        await asyncio.sleep(300)
        assert handled.begun == PARTITIONS, "a rebalance would have begun the batch again"
        handled.held.clear()
        await all_done(it)


@in_virtual_time
async def test_a_lane_takes_at_most_a_hundred_at_once() -> None:
    sizes: list[int] = []

    def lane(_: Lifespan) -> Step:
        async def step(batch: Batch) -> None:
            sizes.append(len(batch.records))

        return step

    handled = Handled()
    handled.chain = lambda: lane  # type: ignore[method-assign]
    async with bench() as it:
        await it.parts.log("x").publish([message(registered())] * 450)
        async with consuming(it, handled):
            await all_done(it)
    assert sizes == [100, 100, 100, 100, 50]


@in_virtual_time
async def test_a_full_lane_is_polled_no_further() -> None:
    """The backlog stays in the log, not in memory."""
    polled: list[Collection[Partition]] = []

    class Watched(FaultyLog):
        """Notes what is said to be full."""

        @asynccontextmanager
        async def subscribe(self, group, topics, revoked):  # type: ignore[no-untyped-def]
            async with super().subscribe(group, topics, revoked) as subscription:
                poll = subscription.poll

                async def noting(
                    *, full: Collection[Partition], timeout_s: float
                ) -> Mapping[Partition, Sequence[Record]]:
                    polled.append(tuple(full))
                    return await poll(full=full, timeout_s=timeout_s)

                subscription.poll = noting  # type: ignore[method-assign]
                yield subscription

    handled = Handled()
    async with bench() as it:
        busy = message(registered())
        handled.held = {0, 1, 2}
        await it.parts.log("x").publish([busy] * (2 * consumer.FULL_AT))
        log = Watched(it.parts.log("a"), Switchboard(), "a")
        async with consuming(it, handled, log=log):

            async def is_full() -> bool:
                return bool(polled and polled[-1])

            await eventually(is_full)
            (full,) = polled[-1]
            assert (full.topic, handled.begun) == (TOPIC, 1)
            handled.held.clear()
            await all_done(it)
        (number,) = handled.offsets
        assert handled.offsets[number] == list(range(2 * consumer.FULL_AT))


@in_virtual_time
async def test_offsets_are_committed_after_the_effects_and_repeated_when_that_was_lost() -> None:
    faults, handled = Switchboard(), Handled()
    async with bench() as it:
        log = FaultyLog(it.parts.log("a"), faults, "a")
        lost = faults.fail("log.commit", times=3)
        async with consuming(it, handled, log=log):
            await it.parts.log("x").publish(keys())
            await all_done(it)
        assert lost.injected == 3
        for number, end in (await ends(it)).items():
            assert handled.offsets[number] == list(range(end))


@in_virtual_time
async def test_stopping_finishes_what_is_in_hand_and_commits_it() -> None:
    faults, handled = Switchboard(), Handled()
    async with bench() as it:
        log = FaultyLog(it.parts.log("a"), faults, "a")
        async with consuming(it, handled, log=log) as lifespan:
            await it.parts.log("x").publish(keys())

            async def begun() -> int:
                return handled.begun

            await eventually(begun)
            lifespan.stopping.set()
        assert await committed(it.parts.log("x")) == {
            number: offsets[-1] + 1 for number, offsets in handled.offsets.items()
        }


@in_virtual_time
async def test_what_was_not_finished_is_for_the_next_member() -> None:
    first, second = Handled(held={0, 1, 2}), Handled()
    async with bench() as it:
        await it.parts.log("x").publish(keys())
        async with consuming(it, first, member="a"):

            async def all_begun() -> bool:
                return first.begun == PARTITIONS

            await eventually(all_begun)
        assert first.offsets == {}
        assert await committed(it.parts.log("x")) == {}
        async with consuming(it, second, member="b"):
            await all_done(it)
        for number, end in (await ends(it)).items():
            assert second.offsets[number] == list(range(end))


@in_virtual_time
async def test_two_members_share_the_partitions_and_miss_nothing() -> None:
    first, second = Handled(), Handled()
    async with bench() as it:
        async with consuming(it, first, member="a"):
            await it.parts.log("x").publish(keys())
            await all_done(it)
            async with consuming(it, second, member="b"):
                for _ in range(PER_KEY):
                    await it.parts.log("x").publish(keys())
                    await asyncio.sleep(1)
                await all_done(it)
        assert first.offsets
        assert second.offsets
        for number, end in (await ends(it)).items():
            both = first.offsets.get(number, []) + second.offsets.get(number, [])
            assert sorted(both) == list(range(end))


@in_virtual_time
async def test_the_log_may_be_away_at_any_call() -> None:
    faults, handled = Switchboard(), Handled()
    async with bench() as it:
        log = FaultyLog(it.parts.log("a"), faults, "a")
        faults.fail("log.subscribe", times=2)
        faults.fail("log.poll", times=2)
        faults.fail("log.commit", times=2)
        async with consuming(it, handled, log=log):
            await it.parts.log("x").publish(keys())
            await all_done(it)


@in_virtual_time
async def test_a_lane_that_breaks_ends_the_consumer_with_its_error() -> None:
    """No message may do that; if one did, going on would skip it silently."""

    def lane(_: Lifespan) -> Step:
        async def step(_: Batch) -> None:
            raise AssertionError("a fault of our own")

        return step

    handled = Handled()
    handled.chain = lambda: lane  # type: ignore[method-assign]
    async with bench() as it:
        await it.parts.log("x").publish(keys(1))
        with pytest.raises(AssertionError, match="a fault of our own"):
            async with consuming(it, handled):
                await asyncio.sleep(5)


def test_a_pause_in_a_lane_ends_when_it_is_asked_to_stop() -> None:
    @in_virtual_time
    async def ends_at_once() -> None:
        lifespan = Lifespan()
        pause = asyncio.create_task(lifespan.sleep(3600))
        await asyncio.sleep(1)
        lifespan.stopping.set()
        with pytest.raises(Stopping):
            await pause
        assert asyncio.get_running_loop().time() == 1

    ends_at_once()


def test_the_reply_to_a_commit_may_be_lost() -> None:
    @in_virtual_time
    async def harmless() -> None:
        faults, handled = Switchboard(), Handled()
        async with bench() as it:
            log = FaultyLog(it.parts.log("a"), faults, "a")
            faults.fail("log.commit", hop=Hop.REPLY, times=2)
            async with consuming(it, handled, log=log):
                await it.parts.log("x").publish(keys())
                await all_done(it)
            for number, end in (await ends(it)).items():
                assert handled.offsets[number] == list(range(end))

    harmless()


@pytest.mark.parametrize(
    "large",
    [
        Message(TOPIC, b"k", bytes(1024 * 1024), ()),
        Message(TOPIC, b"k", b"v", (("h", bytes(1024 * 1024)),)),
        Message(TOPIC, b"k", b"v", (("", b""),) * (1024 * 1024 // consumer.HEADER_BYTES + 1)),
    ],
    ids=["value", "header", "headers"],
)
def test_a_few_large_records_fill_a_lane_as_many_small_ones_do(large: Message) -> None:
    """Compressed by somebody else, a thousand of 30 MB are a topic of 30 MB."""

    @in_virtual_time
    async def fill() -> None:
        handled = Handled(held={0})
        place = Partition(TOPIC, 0)
        lane = consumer.Lane(handled.chain())
        for offset in range(consumer.FULL_AT_BYTES // (1024 * 1024)):
            assert not lane.is_full
            lane.extend([Record(large, place, offset, 0)])
        before = lane.is_full

        handled.held.clear()
        await asyncio.sleep(2)
        assert (before, lane.is_full, len(lane.queue)) == (True, False, 0)
        lane.extend([Record(large, place, 16, 0)])
        assert not lane.is_full
        lane.ask_to_stop()
        await lane.task

    fill()
