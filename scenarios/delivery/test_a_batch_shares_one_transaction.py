"""A batch shares one transaction: all of it or nothing; and one bad message takes no other along."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from chaos.kit.points import Hop, with_faults
from scenarios.delivery.bench import (
    Bench,
    bench,
    count_all,
    in_virtual_time,
    message,
    registered,
)
from scenarios.harness.fault_rules import Switchboard
from system.events import User, UserUpdated
from system.kit.delivery import outbox
from system.kit.delivery.inbox import processed_events
from system.kit.delivery.middleware import Batch
from system.kit.errors import Poison, TimedOut
from system.kit.ports.log import Message
from system.kit.ports.work import UnitOfWork

HUNDRED = 100
BAD = 57


@dataclass
class CountingUnlessBad:
    """Counts, and then fails if one of these events is in the batch."""

    bad: Sequence[int] = (BAD,)
    error: Exception = field(default_factory=lambda: RuntimeError("bad"))
    sizes: list[int] = field(default_factory=list)

    async def __call__(self, batch: Sequence[Any], unit: UnitOfWork) -> None:
        self.sizes.append(len(batch))
        await count_all(batch, unit)
        if any(envelope.event.event_id.int % 1_000 in self.bad for envelope in batch):
            raise self.error


def messages(count: int = HUNDRED) -> list[Message]:
    return [message(registered(number=number)) for number in range(count)]


async def counted(it: Bench, handler: Any, batch: Batch) -> int:
    await it.begin_to_count()
    await it.chain(handler)(batch)
    return await it.count()


@in_virtual_time
async def test_a_hundred_good_ones_share_one_transaction() -> None:
    handler = CountingUnlessBad(bad=())
    async with bench() as it:
        assert await counted(it, handler, await it.batch(*messages())) == HUNDRED
        assert handler.sizes == [HUNDRED]


@in_virtual_time
async def test_one_bad_one_of_a_hundred_gives_99_effects_and_one_letter() -> None:
    handler = CountingUnlessBad()
    async with bench() as it:
        assert await counted(it, handler, await it.batch(*messages())) == HUNDRED - 1
        (letter,) = await it.open_letters()
        assert letter.message == messages()[BAD]
        assert letter.attempts == 6
        assert len(handler.sizes) < 25, "its neighbours should go on in large batches"


@in_virtual_time
async def test_several_bad_ones_are_each_parked_in_their_turn() -> None:
    handler = CountingUnlessBad(bad=(0, 50, 51, 99), error=Poison("bad"))
    async with bench() as it:
        assert await counted(it, handler, await it.batch(*messages())) == HUNDRED - 4
        parked = [letter.message for letter in await it.open_letters()]
        assert parked == [messages()[number] for number in (0, 50, 51, 99)]


@in_virtual_time
async def test_an_undecodable_one_costs_its_neighbours_nothing() -> None:
    handler = CountingUnlessBad(bad=())
    good = messages()
    spoilt = Message(good[BAD].topic, good[BAD].key, b"?", ())
    async with bench() as it:
        batch = await it.batch(*good[:BAD], spoilt, *good[BAD + 1 :])
        assert await counted(it, handler, batch) == HUNDRED - 1
        assert handler.sizes == [HUNDRED - 1]
        (letter,) = await it.open_letters()
        assert letter.message == spoilt


@in_virtual_time
async def test_a_letter_is_of_the_very_record_that_failed_also_behind_an_undecodable_one() -> None:
    first, failing, good = messages(3)
    poison = Message(first.topic, first.key, b"?", ())
    handler = CountingUnlessBad(bad=(1,))
    async with bench() as it:
        batch = await it.batch(poison, failing, good)
        assert await counted(it, handler, batch) == 1

        of_poison, of_failing = await it.open_letters()
        assert (of_poison.error_type, of_failing.error_type) == ("Poison", "RuntimeError")
        for letter, record in zip((of_poison, of_failing), batch.records, strict=False):
            assert letter.message == record.message
            assert (letter.topic, letter.partition) == (
                record.partition.topic,
                record.partition.number,
            )
            assert letter.offset == record.offset


@in_virtual_time
async def test_order_is_kept_also_when_the_batch_is_split() -> None:
    seen: list[int] = []

    async def noting(batch: Sequence[Any], _: UnitOfWork) -> None:
        numbers = [envelope.event.event_id.int % 1_000 for envelope in batch]
        if BAD in numbers and len(numbers) > 1:
            raise RuntimeError("only alone")
        seen.extend(numbers)

    async with bench() as it:
        await it.chain(noting)(await it.batch(*messages()))
        assert seen == list(range(HUNDRED))


@in_virtual_time
async def test_a_batch_that_is_too_much_at_once_is_halved_before_anyone_waits() -> None:
    async def slow(batch: Sequence[Any], unit: UnitOfWork) -> None:
        if len(batch) > HUNDRED / 4:
            raise TimedOut("too much at once")
        await count_all(batch, unit)

    async with bench() as it:
        assert await counted(it, slow, await it.batch(*messages())) == HUNDRED
        assert asyncio.get_running_loop().time() == 0
        assert await it.open_letters() == []


@in_virtual_time
async def test_what_a_failed_transaction_did_is_undone_with_its_inbox_rows_and_events() -> None:
    async def emits_and_fails(batch: Sequence[Any], unit: UnitOfWork) -> None:
        await count_all(batch, unit)
        unit.emit(_updated(batch[0]), because=batch[0].consequence)
        raise Poison("after all was done")

    async with bench() as it:
        assert await counted(it, emits_and_fails, await it.batch(*messages(1))) == 0
        async with it.parts.work() as unit:
            assert (await unit.sql.execute(processed_events.select())).all() == []
        assert await _emitted(it) == 0


def _updated(envelope: Any) -> UserUpdated:
    user: User = envelope.event.user
    now = envelope.event.occurred_at
    return UserUpdated(event_id=envelope.event.event_id, occurred_at=now, user=user, version=2)


async def _emitted(it: Bench) -> int:
    async with it.parts.work() as unit:
        return (await outbox.backlog(unit.sql, "user")).rows


@pytest.mark.parametrize("count", [1, HUNDRED])
def test_when_the_answer_to_commit_is_lost_it_counts_once(count: int) -> None:
    @in_virtual_time
    async def once() -> None:
        faults = Switchboard()
        async with bench() as it:
            await it.begin_to_count()
            batch = await it.batch(*messages(count))
            it.parts = with_faults(it.parts, faults, "lane")
            lost = faults.fail("sql.commit", hop=Hop.REPLY, times=3)
            await it.chain(count_all)(batch)
            assert lost.injected == 3
            assert await it.count() == count
            assert await it.open_letters() == []

    once()


@in_virtual_time
async def test_a_commit_that_never_arrived_is_done_again() -> None:
    faults = Switchboard()
    async with bench() as it:
        await it.begin_to_count()
        batch = await it.batch(*messages())
        it.parts = with_faults(it.parts, faults, "lane")
        faults.fail("sql.commit", hop=Hop.REQUEST, times=3)
        await it.chain(count_all)(batch)
        assert await it.count() == HUNDRED
