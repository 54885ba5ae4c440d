"""What has served its time is thrown away, and nothing else: sent events, answers to commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from chaos.kit.points import faulty_work
from scenarios.delivery.bench import CAUSE, EPOCH, Bench, bench, in_virtual_time, registered
from scenarios.harness.fault_rules import Switchboard
from system.kit import logs, roles
from system.kit.commands import idempotency
from system.kit.delivery import inbox, outbox
from system.kit.delivery.purge import EVERY_S, ROWS_MAX, Purge, Rule
from system.kit.errors import Conflict, Unavailable
from system.kit.http.route import Answer
from system.kit.lifespan import Lifespan
from system.kit.roles import Blueprint
from system.settings import Settings
from system.table import SHOP

MOMENT = timedelta(microseconds=1)
TEN_YEARS_AGO = EPOCH - timedelta(days=3652)


async def stored(
    it: Bench, *sent_at: datetime | None, aggregate: str = "user", at: datetime = TEN_YEARS_AGO
) -> list[int]:
    """Events that were emitted `at`, one sent at each of these times; None: not yet."""
    row = {**outbox.row(registered(), CAUSE, at), "aggregate": aggregate}
    async with it.parts.work() as unit:
        rows = [{**row, "processed_at": time} for time in sent_at]
        return list(await unit.insert(outbox.outbox, rows))


async def left(it: Bench) -> list[int]:
    async with it.parts.work() as unit:
        ids = select(outbox.outbox.c.id).order_by(outbox.outbox.c.id)
        return list((await unit.sql.execute(ids)).scalars())


async def purged(it: Bench, *, before: datetime = EPOCH, limit: int = 10) -> int:
    async with it.parts.work() as unit:
        return await outbox.purge(unit.sql, "user", before, limit)


# --- sent events ----------------------------------------------------------------------------------


@in_virtual_time
async def test_an_event_that_was_never_sent_stays_however_old_it_is() -> None:
    async with bench() as it:
        unsent = await stored(it, None, None)
        assert await purged(it) == 0
        assert await left(it) == unsent


@in_virtual_time
async def test_events_go_by_when_they_were_sent_and_not_by_when_they_were_emitted() -> None:
    async with bench() as it:
        await stored(it, TEN_YEARS_AGO, EPOCH - MOMENT)
        later = await stored(it, EPOCH, EPOCH + MOMENT)
        assert await purged(it) == 2
        assert await left(it) == later


@in_virtual_time
async def test_no_more_of_them_go_at_once_than_wished() -> None:
    async with bench() as it:
        ids = await stored(it, *[TEN_YEARS_AGO] * 5)
        assert await purged(it, limit=2) == 2
        assert await left(it) == ids[2:]
        assert [await purged(it, limit=2) for _ in range(3)] == [2, 1, 0]
        assert await left(it) == []


@in_virtual_time
async def test_what_other_aggregates_sent_is_left_to_them() -> None:
    async with bench() as it:
        others = await stored(it, TEN_YEARS_AGO, aggregate="order")
        await stored(it, TEN_YEARS_AGO)
        assert await purged(it) == 1
        assert await left(it) == others


# --- answers to commands --------------------------------------------------------------------------


async def answered(it: Bench, *keys: str) -> None:
    """Commands of these keys, answered now; each leaves a mark, too."""
    for key in keys:
        async with it.parts.work() as unit:
            await idempotency.claim(unit, f"mark of {key}", {key: "a hash"})
            await idempotency.keep(unit, {key: Answer(201, key.encode())})


async def known(it: Bench, keys: Collection[str]) -> Collection[str]:
    async with it.parts.work() as unit:
        answered, _ = await idempotency.answers(unit, keys)
        return answered.keys()


async def kept(it: Bench) -> int:
    """How many rows there are of commands: answers and marks."""
    async with it.parts.work() as unit:
        count = select(func.count()).select_from(idempotency.commands)
        return int((await unit.sql.execute(count)).scalar_one())


@in_virtual_time
async def test_old_answers_are_forgotten_with_their_marks_and_later_ones_are_not() -> None:
    async with bench() as it:
        await answered(it, "old", "older")
        await asyncio.sleep(1)
        await answered(it, "new")
        async with it.parts.work() as unit:
            before = EPOCH + timedelta(seconds=1)
            assert await idempotency.purge(unit.sql, EPOCH, 10) == 0
            assert await idempotency.purge(unit.sql, before, 3) == 3
            assert await idempotency.purge(unit.sql, before, 3) == 1
        assert await known(it, ["old", "older", "new"]) == {"new"}
        assert await kept(it) == 2


# --- once a minute --------------------------------------------------------------------------------

HOUR_S = 3600.0


async def sent_events(sql: AsyncConnection, before: datetime, limit: int) -> int:
    return await outbox.purge(sql, "user", before, limit)


def purge(it: Bench, *rules: Rule, faults: Switchboard | None = None) -> Purge:
    return Purge(
        "purge",
        rules or [Rule("sent events", HOUR_S, sent_events)],
        work=faulty_work(it.parts.work, faults or Switchboard(), "purge"),
        logger=logs.logger("purge"),
    )


@asynccontextmanager
async def running(purge: Purge) -> AsyncIterator[Lifespan]:
    lifespan = Lifespan()
    task = asyncio.create_task(purge.run(lifespan))
    try:
        yield lifespan
    finally:
        lifespan.stopping.set()
        await task


@in_virtual_time
async def test_it_is_done_once_a_minute_and_each_rule_has_its_own_age() -> None:
    asked: list[tuple[str, float, float]] = []

    def rule(what: str, keep_s: float) -> Rule:
        async def none(_: AsyncConnection, before: datetime, __: int) -> int:
            now_s = asyncio.get_running_loop().time()
            asked.append((what, now_s, (before - EPOCH).total_seconds()))
            return 0

        return Rule(what, keep_s, none)

    async with bench() as it, running(purge(it, rule("a", 10), rule("b", HOUR_S))):
        await asyncio.sleep(2.5 * EVERY_S)
    assert asked == [
        ("a", EVERY_S, EVERY_S - 10),
        ("b", EVERY_S, EVERY_S - HOUR_S),
        ("a", 2 * EVERY_S, 2 * EVERY_S - 10),
        ("b", 2 * EVERY_S, 2 * EVERY_S - HOUR_S),
    ]


@in_virtual_time
async def test_more_than_one_transaction_should_hold_goes_in_several_at_once() -> None:
    faults = Switchboard()
    async with bench() as it:
        await stored(it, *[TEN_YEARS_AGO] * (2 * ROWS_MAX + 7))
        async with running(purge(it, faults=faults)):
            await asyncio.sleep(1.5 * EVERY_S)
            assert await left(it) == []
        assert sum(times for point, times in faults.seen.items() if point.call == "sql.begin") == 3


@pytest.mark.parametrize("error", [Unavailable, Conflict])
def test_what_could_not_be_done_is_done_a_minute_later(error: type[Exception]) -> None:
    @in_virtual_time
    async def later() -> None:
        faults = Switchboard()
        async with bench() as it:
            ids = await stored(it, TEN_YEARS_AGO)
            faults.fail("sql.commit", times=1, error=error)
            async with running(purge(it, faults=faults)):
                await asyncio.sleep(1.5 * EVERY_S)
                assert await left(it) == ids
                await asyncio.sleep(EVERY_S)
                assert await left(it) == []

    later()


@in_virtual_time
async def test_it_stops_at_once_and_between_two_transactions() -> None:
    transactions: list[float] = []

    async with bench() as it:

        async def much(*_: object) -> int:
            transactions.append(asyncio.get_running_loop().time())
            lifespan.stopping.set()
            return ROWS_MAX if len(transactions) < 10 else 0

        async with running(purge(it, Rule("much", 0, much))) as lifespan:
            await asyncio.sleep(2 * EVERY_S)
        assert transactions == [EVERY_S]

        async with running(purge(it)):
            await asyncio.sleep(1)
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() == began


# --- a role's own rules ---------------------------------------------------------------------------


@in_virtual_time
async def test_a_role_keeps_its_own_for_as_long_as_the_settings_say() -> None:
    keep_s = {"outbox_retention_s": 100, "idempotency_retention_s": 200, "inbox_retention_s": 300}
    async with bench() as it:
        (others,) = await stored(it, EPOCH, aggregate="order")
        (own,) = await stored(it, EPOCH)
        await answered(it, "key")
        async with it.parts.work() as unit:
            for service in ("user-consumer", "order-consumer"):
                await inbox.remember(unit.sql, service, [registered().event_id], EPOCH)

        async with purging_as(it, "user-consumer", Settings().model_copy(update=keep_s)):
            await asyncio.sleep(1.5 * EVERY_S)
            assert await left(it) == [others, own]
            await asyncio.sleep(EVERY_S)
            assert await left(it) == [others]
            assert await known(it, ["key"])
            await asyncio.sleep(2 * EVERY_S)
            assert not await known(it, ["key"])
            assert await handlers(it) == {"user-consumer", "order-consumer"}
            await asyncio.sleep(2 * EVERY_S)
            assert await handlers(it) == {"order-consumer"}
        assert await left(it) == [others]


@asynccontextmanager
async def purging_as(it: Bench, role: str, settings: Settings) -> AsyncIterator[None]:
    services = roles.build(role, it.parts, Blueprint(SHOP, settings), Lifespan()).services
    (purge,) = (service for service in services if isinstance(service, Purge))
    async with running(purge):
        yield


async def handlers(it: Bench) -> set[str]:
    """Whose inbox still has the event."""
    async with it.parts.work() as unit:
        services = select(inbox.processed_events.c.service_name)
        return set((await unit.sql.execute(services)).scalars())
