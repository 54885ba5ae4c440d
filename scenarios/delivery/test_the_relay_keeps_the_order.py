"""The relay: every row at least once, and each key's rows in order, ignoring repeats.

Whatever stalls, dies or loses its acknowledgement, and however many relays run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from random import Random
from uuid import UUID

import pytest
import structlog
from sqlalchemy import insert, select, update
from structlog.testing import LogCapture

from chaos.kit.points import FaultyLog, Hop, Point, faulty_work
from scenarios.delivery.bench import CAUSE, EPOCH, Bench, bench, in_virtual_time
from scenarios.harness.fault_rules import Switchboard
from scenarios.harness.settled import eventually
from system.events import User, UserUpdated
from system.kit import logs
from system.kit.delivery import outbox
from system.kit.delivery.relay import LEASE_S, Relay, RelayParts, leases
from system.kit.errors import CONFLICTS_MAX, Conflict, Unavailable
from system.kit.lifespan import Lifespan
from system.kit.logs import Logger
from system.kit.ports.log import Log, Message
from system.kit.timing import TIMING
from system.kit.values import loads

PAGE, MEASURE_S = TIMING.relay_page, TIMING.relay_measure_s
TOPIC = "user.updated"
POLL_S = 0.05


def renamed(id: int, version: int) -> UserUpdated:
    user = User(id=id, name="Ada", email="a@example.com", created_at=EPOCH, updated_at=EPOCH)
    event_id = UUID(int=id * 1_000 + version)
    return UserUpdated(event_id=event_id, occurred_at=EPOCH, user=user, version=version)


async def commit(it: Bench, *events: UserUpdated) -> None:
    async with it.parts.work() as unit:
        for event in events:
            unit.emit(event, because=CAUSE)


async def told(it: Bench, id: int) -> list[int]:
    """The versions of one user as they lie in the log."""
    records = [loads(record.message.value) for record in await it.records(TOPIC)]
    return [event["version"] for event in records if event["user"]["id"] == id]


async def arrived(it: Bench, id: int, version: int) -> None:
    await eventually(lambda: told(it, id), lambda versions: version in versions)


async def backlog(it: Bench) -> int:
    async with it.parts.work() as unit:
        return (await outbox.backlog(unit.sql, "user")).rows


async def sent(it: Bench) -> None:
    async def rows() -> int:
        return await backlog(it)

    await eventually(rows, lambda left: left == 0, deadline_s=60)


def in_order(versions: Sequence[int]) -> bool:
    """Whether they come in order, ignoring repeats."""
    first_times = list(dict.fromkeys(versions))
    return first_times == sorted(first_times)


def relay(
    it: Bench,
    faults: Switchboard | None = None,
    *,
    log: Log | None = None,
    logger: Logger | None = None,
    poll_interval_s: float = POLL_S,
    commits: asyncio.Event | None = None,
) -> Relay:
    name = "relay"
    faults = faults or Switchboard()
    return Relay(
        "user",
        RelayParts(
            work=faulty_work(it.parts.work, faults, name),
            log=FaultyLog(log or it.parts.log(name), faults, name),
            world=it.parts.world,
            metrics=it.metrics,
            logger=logger or logs.logger(name),
            commits=commits or asyncio.Event(),
        ),
        poll_interval_s=poll_interval_s,
    )


@asynccontextmanager
async def running(*relays: Relay) -> AsyncIterator[Lifespan]:
    lifespan = Lifespan()
    tasks = [asyncio.create_task(relay.run(lifespan)) for relay in relays]
    try:
        yield lifespan
    finally:
        lifespan.stopping.set()
        await asyncio.gather(*tasks)


@in_virtual_time
async def test_every_row_is_published_in_order_and_marked() -> None:
    async with bench() as it:
        await commit(it, *(renamed(id, version) for version in (1, 2, 3) for id in (1, 2)))
        async with running(relay(it)):
            await sent(it)
            await commit(it, renamed(1, 4), renamed(1, 5))
            await sent(it)
        assert await told(it, 1) == [1, 2, 3, 4, 5]
        assert await told(it, 2) == [1, 2, 3]


@in_virtual_time
async def test_an_idle_relay_looks_at_least_every_poll_interval() -> None:
    async with bench() as it, running(relay(it)):
        loop = asyncio.get_running_loop()
        await asyncio.sleep(20)
        await commit(it, renamed(1, 1))
        committed_at = loop.time()
        await sent(it)
        assert loop.time() - committed_at <= POLL_S + 0.02


@in_virtual_time
async def test_what_came_while_its_lane_was_on_its_way_waits_for_no_poll() -> None:
    hour_s = 3_600.0
    faults = Switchboard()
    async with bench() as it:
        held = faults.hold("log.publish")
        await commit(it, renamed(1, 1))
        async with running(relay(it, faults, poll_interval_s=hour_s)):
            await held.reached()
            await commit(it, renamed(1, 2))
            await asyncio.sleep(hour_s * 1.5)  # it has looked, and passed over the busy lane
            held.release()
            await asyncio.sleep(1)
            assert await told(it, 1) == [1, 2]


@in_virtual_time
async def test_it_looks_once_for_what_a_freed_lane_may_have_and_not_for_lanes_read_since() -> None:
    faults, commits = Switchboard(), asyncio.Event()
    passed = Point("relay", "sql.begin", Hop.REQUEST)
    async with bench() as it:
        first, second = faults.hold("log.publish"), faults.hold("log.publish")
        await commit(it, renamed(1, 1))
        async with running(relay(it, faults, poll_interval_s=3_600.0, commits=commits)):
            await first.reached()
            await commit(it, renamed(2, 1))
            commits.set()  # now it reads user 2's row, and passes over user 1's lane
            await second.reached()
            before = faults.seen[passed]
            first.release()
            await arrived(it, 1, 1)
            await asyncio.sleep(0.1)
            assert faults.seen[passed] == before + 2  # a mark and a look
            second.release()
            await sent(it)
            await asyncio.sleep(0.1)
            assert faults.seen[passed] == before + 3  # a mark: nothing came since that look


@in_virtual_time
async def test_what_came_while_a_look_failed_waits_for_no_poll_either() -> None:
    faults, commits = Switchboard(), asyncio.Event()
    async with bench() as it:
        first, second = faults.hold("log.publish"), faults.hold("log.publish")
        await commit(it, renamed(1, 1))
        async with running(relay(it, faults, poll_interval_s=3_600.0, commits=commits)):
            await first.reached()
            await commit(it, renamed(2, 1))
            commits.set()
            await second.reached()
            marking = faults.hold("sql.commit")
            first.release()
            await marking.reached()
            failing = faults.fail("sql.begin")
            marking.release()
            await failing.reached()  # the look for what the freed lane may have
            await commit(it, renamed(2, 2))
            commits.set()
            await asyncio.sleep(0.1)  # it has looked again, and passed over user 2's lane
            second.release()
            await asyncio.sleep(1)
            assert await told(it, 2) == [1, 2]


@in_virtual_time
async def test_more_rows_than_a_page_are_all_published() -> None:
    async with bench() as it:
        many = 2 * PAGE + 7
        await commit(it, *(renamed(1, version) for version in range(1, many + 1)))
        async with running(relay(it)):
            await sent(it)
        assert await told(it, 1) == list(range(1, many + 1))


@in_virtual_time
async def test_a_row_is_marked_only_after_the_broker_has_it() -> None:
    faults = Switchboard()
    async with bench() as it:
        await commit(it, renamed(1, 1))
        away = faults.fail("log.publish", times=None)
        async with running(relay(it, faults)):
            await asyncio.sleep(60)
            assert away.injected > 10
            assert await backlog(it) == 1
            away.release()
            await sent(it)
        assert await told(it, 1) == [1]


@in_virtual_time
async def test_lanes_that_are_acknowledged_together_are_marked_together() -> None:
    faults, begun = Switchboard(), Point("relay", "sql.begin", Hop.REQUEST)
    async with bench() as it:
        await commit(it, *(renamed(id, 1) for id in range(1, 31)))
        first = faults.hold("log.publish", hop=Hop.REPLY, times=None)
        async with running(relay(it, faults, poll_interval_s=3_600.0)):
            await first.reached()
            await asyncio.sleep(0.1)  # all of its lanes are on their way
            before = faults.seen[begun]
            first.release()
            await sent(it)
        assert faults.seen[begun] - before <= 3  # one of them, perhaps a look, and the lease's end


@in_virtual_time
async def test_a_lost_acknowledgement_repeats_and_keeps_the_order() -> None:
    faults = Switchboard()
    async with bench() as it:
        await commit(it, renamed(1, 1), renamed(1, 2))
        faults.fail("log.publish", hop=Hop.REPLY, times=2)
        async with running(relay(it, faults)):
            await commit(it, renamed(1, 3))
            await sent(it)
        versions = await told(it, 1)
        assert in_order(versions)
        assert set(versions) == {1, 2, 3}
        assert len(versions) <= 3 + 2 * 3


@in_virtual_time
async def test_a_mark_that_fails_is_made_again_and_nothing_is_published_again() -> None:
    faults = Switchboard()
    async with bench() as it:
        await commit(it, renamed(1, 1))
        async with running(relay(it, faults)):
            published = faults.hold("log.publish", hop=Hop.REPLY)
            await published.reached()
            failing = faults.fail("sql.begin", times=9)  # of the mark
            published.release()
            await sent(it)
        assert failing.injected == 9
        assert await told(it, 1) == [1]


@in_virtual_time
async def test_conflicts_at_the_mark_repeat_the_mark_alone() -> None:
    faults = Switchboard()
    async with bench() as it:
        await commit(it, *(renamed(id, version) for version in (1, 2) for id in (1, 2)))
        async with running(relay(it, faults)):
            published = faults.hold("log.publish", hop=Hop.REPLY)
            await published.reached()
            # of the mark
            conflicts = faults.fail("sql.commit", times=CONFLICTS_MAX, error=Conflict)
            published.release()
            await sent(it)
        assert conflicts.injected == CONFLICTS_MAX
        assert await told(it, 1) == await told(it, 2) == [1, 2]


@in_virtual_time
async def test_a_lane_whose_wait_was_canceled_by_another_is_read_again() -> None:
    async with bench() as it:
        faults = Switchboard()
        faults.fail("log.publish", error=lambda _: asyncio.CancelledError())
        await commit(it, renamed(1, 1), renamed(1, 2))
        async with running(relay(it, faults)):
            await sent(it)
        assert await told(it, 1) == [1, 2]


@in_virtual_time
async def test_a_row_that_nobody_can_read_holds_up_its_lane_alone_and_is_told() -> None:
    async with bench() as it:
        await commit(it, renamed(1, 1), renamed(1, 2), renamed(1, 3))
        right = await _rewrite_headers(it, id=2, headers=b'["by hand"]')
        lines = LogCapture()
        async with running(relay(it, logger=_warnings(lines))):
            await commit(it, renamed(2, 1))
            await arrived(it, 2, 1)
            await asyncio.sleep(60)
            assert await told(it, 1) == [1]
            assert await backlog(it) == 2
            await _rewrite_headers(it, id=2, headers=right)
            await sent(it)
        assert await told(it, 1) == [1, 2, 3]
    (first, *_) = (line for line in lines.entries if line["event"] == "not published")
    assert (first["outbox_id"], first["lanes"]) == (2, 1)
    assert first["lane"].startswith(f"{TOPIC}/")
    assert first["error"].startswith("its headers cannot be read")


async def _rewrite_headers(it: Bench, *, id: int, headers: bytes) -> bytes:
    """Write a row's headers by hand; what was there."""
    which = outbox.outbox.c.id == id
    async with it.parts.work() as unit:
        was = await unit.sql.scalar(select(outbox.outbox.c.headers).where(which))
        await unit.sql.execute(update(outbox.outbox).where(which).values(headers=headers))
    assert isinstance(was, bytes)
    return was


def _warnings(lines: LogCapture) -> Logger:
    made: Logger = structlog.wrap_logger(
        None, [lines], structlog.make_filtering_bound_logger("warning")
    )
    return made


class BlockedLog:
    """Takes no message of these keys."""

    def __init__(self, it: Bench, *keys: bytes, hangs_s: float = 0.0) -> None:
        self.keys = keys
        self.refused = 0
        self._hangs_s = hangs_s
        self._log = it.parts.log("relay")

    async def publish(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        refused = sum(message.key in self.keys for message in messages)
        self.refused += refused
        taken = [message for message in messages if message.key not in self.keys]
        await self._log.publish(taken)
        if refused:
            await asyncio.sleep(self._hangs_s)
        return [
            Unavailable("its partition does not answer") if message.key in self.keys else None
            for message in messages
        ]

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)


@in_virtual_time
async def test_a_key_that_is_blocked_holds_up_no_other_even_behind_a_page_of_it() -> None:
    async with bench() as it:
        blocked = BlockedLog(it, b"1")
        await commit(it, *(renamed(1, version) for version in range(1, PAGE + 8)), renamed(2, 1))
        async with running(relay(it, log=blocked)):  # type: ignore[arg-type]

            async def other() -> list[int]:
                return await told(it, 2)

            assert await eventually(other) == [1]
            await commit(it, renamed(2, 2))
            await eventually(other, lambda versions: versions == [1, 2])
            assert await told(it, 1) == []
            assert await backlog(it) == PAGE + 7

            blocked.keys = ()
            await sent(it)
        assert await told(it, 1) == list(range(1, PAGE + 8))


@in_virtual_time
async def test_what_is_not_published_is_told_in_one_line_for_each_pause_and_not_for_each_row() -> (
    None
):
    async with bench() as it:
        log = BlockedLog(it, b"1", b"2")
        await commit(it, *(renamed(1, version) for version in range(1, PAGE + 101)))
        await commit(it, renamed(2, 1))
        lines = LogCapture()
        telling = relay(it, log=log, logger=_warnings(lines))  # type: ignore[arg-type]
        async with running(telling):
            await asyncio.sleep(10)
        said = [line for line in lines.entries if line["event"] == "not published"]

    assert len(said) == 4  # at once, and after 1, 3 and 7 s
    assert (said[0]["rows"], said[0]["lanes"], said[0]["outbox_id"]) == (PAGE, 1, 1)
    assert said[-1]["lanes"] == 2
    assert {line["error"] for line in said} == {"its partition does not answer"}


@in_virtual_time
async def test_of_what_waits_for_a_blocked_partition_only_the_lowest_row_is_tried_again() -> None:
    async with bench() as it:
        log = BlockedLog(it, b"1")
        await commit(it, *(renamed(1, version) for version in range(1, 3 * PAGE)))
        async with running(relay(it, log=log)):  # type: ignore[arg-type]
            await asyncio.sleep(60)
            assert PAGE + 50 < log.refused < PAGE + 100
            log.keys = ()
            await sent(it)
        assert await told(it, 1) == list(range(1, 3 * PAGE))


@in_virtual_time
async def test_a_partition_that_answers_nothing_delays_no_other_by_its_tries() -> None:
    async with bench() as it:
        log = BlockedLog(it, b"1", hangs_s=5.0)
        await commit(it, renamed(1, 1))
        async with running(relay(it, log=log)):  # type: ignore[arg-type]
            for version in range(1, 100):
                began = asyncio.get_running_loop().time()
                await commit(it, renamed(2, version))
                await arrived(it, 2, version)
                assert asyncio.get_running_loop().time() - began < 0.1
                await asyncio.sleep(0.3)
        assert log.refused > 4


@in_virtual_time
async def test_the_backlog_is_measured_by_the_clock_while_nothing_goes_out() -> None:
    async with bench() as it:
        log = BlockedLog(it, b"1", hangs_s=80.0)
        async with running(relay(it, log=log)) as lifespan:  # type: ignore[arg-type]
            await asyncio.sleep(1)
            for version in range(1, 74):
                await commit(it, renamed(1, version))
                await asyncio.sleep(1)
            shown = {
                name: it.metrics.registry.get_sample_value(f"outbox_{name}", {"aggregate": "user"})
                for name in ("backlog", "oldest_age_seconds")
            }
            lifespan.stopping.set()
        assert shown["backlog"] == pytest.approx(73, abs=MEASURE_S)
        assert shown["oldest_age_seconds"] == pytest.approx(73, abs=MEASURE_S)


@in_virtual_time
async def test_of_two_relays_one_holds_the_lease_and_nothing_comes_twice() -> None:
    async with bench() as it, running(relay(it), relay(it)):
        for version in range(1, 20):
            await commit(it, renamed(1, version))
            await asyncio.sleep(1)
        await sent(it)
        assert await told(it, 1) == list(range(1, 20))


@in_virtual_time
async def test_one_that_stalls_beyond_its_lease_repeats_and_never_reorders() -> None:
    faults = Switchboard()
    async with bench() as it:
        await commit(it, renamed(1, 1), renamed(1, 2), renamed(1, 3))
        stalled = faults.hold("log.publish")
        async with running(relay(it, faults)):
            await stalled.reached()
            renewing = faults.hold("sql.begin", times=None)  # all of the process stands still
            async with running(relay(it)):
                await commit(it, renamed(1, 4), renamed(1, 5))
                await sent(it)  # once the lease is over
                assert asyncio.get_running_loop().time() == pytest.approx(LEASE_S, abs=0.2)
                assert await told(it, 1) == [1, 2, 3, 4, 5]
                stalled.release()
                renewing.release()
                await commit(it, renamed(1, 6))
                await sent(it)
        versions = await told(it, 1)
        assert in_order(versions)
        assert len(versions) <= 6 + 3


@in_virtual_time
async def test_a_lease_from_the_future_ends_with_its_holder() -> None:
    """A wall clock that was set back after the holder died must not keep its lease for hours."""
    async with bench() as it:
        await commit(it, renamed(1, 1))
        async with it.parts.work() as unit:
            ahead = unit.now.at + timedelta(hours=1)
            lease = {"aggregate": "user", "holder": "dead", "epoch": 7, "expires_at": ahead}
            await unit.sql.execute(insert(leases), [lease])
        async with running(relay(it)):
            await sent(it)
            waited_s = asyncio.get_running_loop().time()
        assert waited_s == pytest.approx(LEASE_S, abs=0.2)


@in_virtual_time
async def test_a_holder_that_renews_keeps_its_lease() -> None:
    async with bench() as it, running(relay(it)):
        await asyncio.sleep(0.5)
        async with running(relay(it)):
            holders = set()
            for _ in range(30):
                holders.add(await _holder(it))
                await asyncio.sleep(0.3)
            assert len(holders) == 1


@in_virtual_time
async def test_one_that_stops_hands_over_before_its_lease_would_end() -> None:
    async with bench() as it, running(relay(it)) as first:
        await asyncio.sleep(0.5)
        async with running(relay(it)):
            await asyncio.sleep(0.5)
            first.stopping.set()
            await asyncio.sleep(0.1)
            stopped_at = asyncio.get_running_loop().time()
            await commit(it, renamed(1, 1))
            await sent(it)
            assert asyncio.get_running_loop().time() - stopped_at < LEASE_S / 2


@pytest.mark.parametrize("seed", range(25))
def test_any_stalls_and_losses_of_three_relays_keep_the_order(seed: int) -> None:
    """Leases are taken away at random, too: order does not come from them."""

    @in_virtual_time
    async def keeps() -> None:
        chance = Random(seed)
        faults = [_Chaos(chance) for _ in range(3)]
        async with bench() as it:
            relays = [relay(it, policy) for policy in faults]
            async with running(*relays):
                for version in range(1, 15):
                    await commit(it, *(renamed(id, version) for id in (1, 2)))
                    await asyncio.sleep(chance.uniform(0, 2))
                    await _end_lease(it)
                for policy in faults:
                    policy.calm = True
                await sent(it)
            for id in (1, 2):
                versions = await told(it, id)
                assert in_order(versions), versions
                assert set(versions) == set(range(1, 15))

    keeps()


class _Chaos(Switchboard):
    """Stalls or loses one call in three."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self.calm = False
        self._chance = chance

    async def at(self, point: Point) -> None:
        if self.calm or point.call == "sql.commit":  # there, a stall would hold up the whole file
            return
        luck = self._chance.random()
        if luck < 0.2:
            await asyncio.sleep(self._chance.uniform(0, 8))
        elif luck < 0.35:
            raise Unavailable("lost")


async def _holder(it: Bench) -> str:
    async with it.parts.work() as unit:
        return str(await unit.sql.scalar(select(leases.c.holder)))


async def _end_lease(it: Bench) -> None:
    with suppress(Conflict):
        async with it.parts.work() as unit:
            await unit.sql.execute(update(leases).values(expires_at=EPOCH.replace(year=2000)))


@in_virtual_time
async def test_each_relay_sends_its_own_aggregate_alone() -> None:
    async with bench() as it:
        await commit(it, renamed(1, 1))
        other = relay(it)
        other._aggregate = "order"  # noqa: SLF001
        async with running(other):
            await asyncio.sleep(5)
            assert await it.records(TOPIC) == []
        async with it.parts.work() as unit:
            holders = (await unit.sql.execute(select(leases.c.aggregate))).scalars().all()
        assert holders == ["order"]


async def place(it: Bench, event: UserUpdated, id: int) -> None:
    """Put an event into the outbox under this id, as if it had been given long before the commit."""
    async with it.parts.work() as unit:
        row = {"id": id, **outbox.row(event, CAUSE, unit.now.at)}
        await unit.sql.execute(insert(outbox.outbox), [row])


class CommitsMeanwhile(BlockedLog):
    """While the first page is being published, two events of one user are committed around it."""

    def __init__(self, it: Bench, id: int) -> None:
        super().__init__(it)
        self._it = it
        self._id = id
        self.pages = 0

    async def publish(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        self.pages += 1
        if self.pages == 1:
            await place(self._it, renamed(self._id, 1), id=1)
            await place(self._it, renamed(self._id, 2), id=PAGE + 100)
        return await super().publish(messages)


@pytest.mark.parametrize("id", [7, 2], ids=["in the same lane", "in another lane"])
@in_virtual_time
async def test_an_id_that_was_given_early_and_committed_late_is_not_overtaken(id: int) -> None:
    async with bench() as it:
        log = CommitsMeanwhile(it, id)
        for version in range(1, PAGE + 2):
            await place(it, renamed(1, version), id=version + 10)
        async with running(relay(it, log=log)):  # type: ignore[arg-type]
            await eventually(lambda: told(it, id), lambda versions: len(set(versions)) == 2)
        assert await told(it, id) == [1, 2]


@in_virtual_time
async def test_a_row_that_is_committed_below_a_blocked_backlog_goes_out_at_once() -> None:
    async with bench() as it:
        for version in range(1, 2 * PAGE):
            await place(it, renamed(1, version), id=version + 10)
        async with running(relay(it, log=BlockedLog(it, b"1"))):  # type: ignore[arg-type]
            await asyncio.sleep(60.3)
            began = asyncio.get_running_loop().time()
            await place(it, renamed(2, 1), id=1)
            await eventually(lambda: told(it, 2))
            assert asyncio.get_running_loop().time() - began < 0.1


HOT = (11, 4, 6)
COLD = 13
"""Its lane comes behind theirs."""


class NeverDry(BlockedLog):
    """Whenever a page of a hot user is published, the next one is there already."""

    def __init__(self, it: Bench) -> None:
        super().__init__(it)
        self._it = it
        self.pages: list[int] = []
        """Whose they were, in the order in which they came."""

    async def publish(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        user = int(messages[0].key)
        self.pages.append(user)
        if user in HOT and len(self.pages) < 12:
            first = len(self.pages) * PAGE
            await commit(self._it, *(renamed(user, first + more) for more in range(PAGE)))
        return await super().publish(messages)


class SlowTransactions(Switchboard):
    """To read a page takes as long as to mark one."""

    async def at(self, point: Point) -> None:
        if point.call == "sql.begin":
            await asyncio.sleep(0.007)


@in_virtual_time
async def test_lanes_that_never_run_dry_starve_no_other() -> None:
    async with bench() as it:
        log = NeverDry(it)
        await commit(it, *(renamed(id, version) for id in HOT for version in range(PAGE)))
        await commit(it, renamed(COLD, 1))
        async with running(relay(it, SlowTransactions(), log=log)):  # type: ignore[arg-type]
            await sent(it)
        assert log.pages.index(COLD) == len(HOT)
