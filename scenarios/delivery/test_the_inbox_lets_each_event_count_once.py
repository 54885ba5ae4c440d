"""The inbox: an event has its effect once per service, however often and in what company it comes."""

from __future__ import annotations

import asyncio

from scenarios.delivery.bench import bench, count_all, in_virtual_time, message, registered
from system.kit.delivery import inbox
from system.kit.events import REPLAY_FOR
from system.kit.ports.log import Message


def event(number: int = 0) -> Message:
    return message(registered(number=number))


@in_virtual_time
async def test_it_counts_once_in_three_deliveries() -> None:
    async with bench() as it:
        await it.begin_to_count()
        step = it.chain(count_all)
        for _ in range(3):
            await step(await it.batch(event()))
        assert await it.count() == 1


@in_virtual_time
async def test_it_counts_once_also_within_one_batch() -> None:
    async with bench() as it:
        await it.begin_to_count()
        await it.chain(count_all)(await it.batch(event(), event(1), event(), event()))
        assert await it.count() == 2


@in_virtual_time
async def test_what_is_new_in_a_batch_of_repeats_counts() -> None:
    async with bench() as it:
        await it.begin_to_count()
        step = it.chain(count_all)
        await step(await it.batch(event(0), event(1)))
        await step(await it.batch(event(0), event(1), event(2)))
        assert await it.count() == 3


@in_virtual_time
async def test_two_chains_that_have_the_same_batch_count_it_once() -> None:
    """A zombie and the new owner of its partition, at the same moment."""
    async with bench() as it:
        await it.begin_to_count()
        batch = await it.batch(*(event(number) for number in range(10)))
        await asyncio.gather(*(it.chain(count_all)(batch) for _ in range(3)))
        assert await it.count() == 10


@in_virtual_time
async def test_the_work_of_one_service_does_not_hide_another_ones() -> None:
    async with bench() as it:
        await it.begin_to_count()
        batch = await it.batch(event())
        await it.chain(count_all, consumer="product-consumer")(batch)
        await it.chain(count_all, consumer="order-consumer")(batch)
        assert await it.count() == 2


@in_virtual_time
async def test_a_replay_is_for_the_consumer_that_it_names() -> None:
    async with bench() as it:
        await it.begin_to_count()
        original = event()
        headers = (*original.headers, (REPLAY_FOR, b"order-consumer"))
        replay = Message(original.topic, original.key, original.value, headers)
        batch = await it.batch(replay)
        await it.chain(count_all, consumer="product-consumer")(batch)
        assert await it.count() == 0
        await it.chain(count_all, consumer="order-consumer")(batch)
        assert await it.count() == 1


@in_virtual_time
async def test_what_is_purged_from_it_is_forgotten_and_nothing_else() -> None:
    async with bench() as it:
        await it.begin_to_count()
        step = it.chain(count_all)
        await step(await it.batch(event(0)))
        await asyncio.sleep(3600)
        await step(await it.batch(event(1)))
        async with it.parts.work() as unit:
            an_hour_ago = it.parts.world.now().replace(minute=0, second=0)
            assert await inbox.purge(unit.sql, "order-consumer", an_hour_ago, 10) == 0
            assert await inbox.purge(unit.sql, "product-consumer", an_hour_ago, 10) == 1
        await step(await it.batch(event(0), event(1)))
        assert await it.count() == 3
