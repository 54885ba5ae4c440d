"""The relay: publishes what the outbox holds, in order, at least once.

Order does not come from the lease. Each lane is read from its lowest unmarked row on; a row is sent
only after every lower row of its lane was acknowledged or goes before it in the same call; and it
is marked only after the broker's ack. So a relay that stalls beyond its lease and wakes up repeats
rows but never reorders them. The lease only bounds how much is repeated.

1. A reads rows 1–3 and stalls.  2. Its lease ends; B publishes and marks 1–5.  3. A wakes up and
publishes 1–3 again: repeats of what is there, after it. The inbox and the versions absorb them.
With `SKIP LOCKED`, B would have published 4–5 before 1–3.

Each lane is sent by itself. While its rows are on their way it is busy, and what comes next is read
beside it. If the log does not take them it stays busy, and its lowest row is tried again, after
pauses that grow. So neither the rows that wait for a partition nor the seconds until it is given up
hold up another. A row that was sent and that another transaction has locked holds up its own lane, too:
what else waits to be marked is marked without it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile

from sqlalchemy import Column, Integer, Table, Update, bindparam, insert, or_, select, update

from system.kit.columns import TABLE_OPTIONS, Timestamp, ascii_key, metadata
from system.kit.conflicts import despite_conflicts
from system.kit.delivery import outbox
from system.kit.delivery.outbox import Unsent
from system.kit.delivery.patience import Outage
from system.kit.errors import Conflict, Stopping, Unavailable
from system.kit.lifespan import Lifespan
from system.kit.logs import Logger
from system.kit.metrics import Metrics
from system.kit.ports.log import Log
from system.kit.ports.work import UnitOfWork, UnitOfWorkFactory
from system.kit.ports.world import World
from system.kit.timing import TIMING, Timing

IN_HAND_MAX = 8 * TIMING.relay_page
"""So many rows are on their way before no more are read: memory has no more when the log hangs."""
LEASE_S = 3.0
RENEW_S = 1.0
TROUBLE_MAX_S = 1.0
TELL_MAX_S = 60.0
LOCKED = "another transaction has locked it"
MEASURE_SHARE = 20
"""Counting reads all that waits, so it may take a twentieth of the time."""

leases = Table(
    "relay_leases",
    metadata,
    Column("aggregate", ascii_key(50), primary_key=True),
    Column("holder", ascii_key(64), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("expires_at", Timestamp, nullable=False),
    **TABLE_OPTIONS,
)

_IS_IT = leases.c.aggregate == bindparam("of")
_TAKE = (
    update(leases)
    .where(_IS_IT)
    .values(holder=bindparam("me"), epoch=leases.c.epoch + 1, expires_at=bindparam("until"))
)
_TAKE_MINE_OR_FREE = _TAKE.where(
    or_(leases.c.holder == bindparam("me"), leases.c.expires_at < bindparam("now"))
)
_TAKE_SILENT = _TAKE.where(leases.c.epoch == bindparam("seen_epoch"))
_EPOCH = select(leases.c.epoch).where(_IS_IT)
_RELEASE = (
    update(leases)
    .where(_IS_IT, leases.c.holder == bindparam("me"))
    .values(expires_at=bindparam("until"))
)


@dataclass(frozen=True, slots=True)
class RelayParts:
    work: UnitOfWorkFactory
    log: Log
    world: World
    metrics: Metrics
    logger: Logger
    commits: asyncio.Event
    """Set when this process has committed events of the aggregate: no need to wait for the poll."""
    timing: Timing = TIMING


class Relay:
    """Publishes one aggregate's outbox. Any number of them may run; one at a time holds the lease."""

    def __init__(self, aggregate: str, parts: RelayParts, *, poll_interval_s: float) -> None:
        self.name = f"{aggregate}-relay"
        self._aggregate = aggregate
        self._parts = parts
        self._poll_interval_s = poll_interval_s
        self._timing = parts.timing
        self._holder = str(parts.world.new_id())
        self._holds_lease = False
        self._look_at_lease_at = 0.0
        self._seen_epoch = 0
        self._seen_at = 0.0
        """Since when another relay's lease stands as it is."""
        self._in_hand = 0
        """Rows that were read, and that the log has neither taken nor refused."""
        self._busy: set[str] = set()
        """Lanes whose lowest rows are on their way, or have not been taken yet."""
        self._served: set[str] = set()
        """Lanes that wait until all others had their turn."""
        self._passed_over: set[str] = set()
        """Lanes that were busy when it looked: there may be more of them."""
        self._news = True
        """Whether rows may have come since it read last. That a lane was freed brings none."""
        self._freed = asyncio.Event()
        """Set when one of these can be read again: no need to wait for the poll."""
        self._acked: set[int] = set()
        """Published, and not marked yet."""
        self._marking = asyncio.Lock()
        self._trouble = _Trouble(self.name, parts.logger)

    async def run(self, lifespan: Lifespan) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._measure(lifespan), name=f"{self.name} measures")
            with suppress(Stopping):
                await self._relay(lifespan, tasks)
        await self._release_lease()

    async def _relay(self, lifespan: Lifespan, tasks: asyncio.TaskGroup) -> None:
        trouble_s = self._timing.relay_pause_min_s
        outage = Outage(self._parts.logger, "the relay waits", relay=self.name)
        while not lifespan.stopping.is_set():
            # before reading, so that a commit from here on rings again; also without the lease,
            # or the bell of this process's own commits would ring on for ever
            self._news |= self._parts.commits.is_set() or not self._freed.is_set()
            self._parts.commits.clear()
            self._freed.clear()
            swept = not self._served
            try:
                rows = await self._next_page()
            except (Unavailable, Conflict) as error:
                outage.goes_on(error)
                trouble_s = min(trouble_s * 2, TROUBLE_MAX_S)
                await lifespan.sleep(trouble_s)
                continue
            lifespan.ready(self.name)
            outage.is_over()
            trouble_s = self._timing.relay_pause_min_s
            for lane in sorted(_lanes(rows)):
                in_lane = [row for row in rows if row.lane == lane]
                tasks.create_task(self._send(in_lane, lifespan), name=f"{self.name} sends {lane}")
            if len(rows) < self._timing.relay_page:
                # no shorter ones first: a commit rings, and so does a lane that is freed
                pause_s = self._poll_interval_s if swept else self._timing.relay_pause_min_s
                await lifespan.sleep(pause_s, self._parts.commits, self._freed)

    async def _next_page(self) -> Sequence[Unsent]:
        """What may be sent now; its lanes are busy from then on."""
        if not await self._hold_lease() or self._in_hand >= IN_HAND_MAX:
            return ()
        if self._news:
            self._passed_over |= self._busy
        rows = await self._read()
        self._news = len(rows) == self._timing.relay_page
        lanes = _lanes(rows)
        self._busy |= lanes
        self._in_hand += len(rows)
        # A full page ended somewhere: the lanes behind it have their turn before these come again,
        # or the first of them could keep the last from ever being read.
        self._served = self._served | lanes if len(rows) == self._timing.relay_page else set()
        return rows

    async def _read(self) -> Sequence[Unsent]:
        beside = self._busy | self._served
        async with self._parts.work() as unit:
            return await outbox.unsent(
                unit.sql, self._aggregate, limit=self._timing.relay_page, beside=beside
            )

    async def _send(self, rows: Sequence[Unsent], lifespan: Lifespan) -> None:
        """Publish rows of one lane. While the log does not take them, try the lowest again."""
        lane, in_hand = rows[0].lane, len(rows)
        try:
            try:
                acked = await self._publish(rows)
            finally:
                del rows  # it may be long until the log takes them, or until they are marked
                self._in_hand -= in_hand
            with suppress(Stopping):
                await self._mark(lane, acked, lifespan)
                if len(acked) < in_hand:
                    await self._try_lowest(lane, lifespan)
        finally:  # however it ends: a lane that stays busy is never read again, and nothing says so
            self._busy.discard(lane)
        self._trouble.is_over(lane)
        if lane in self._passed_over:
            self._passed_over.discard(lane)
            self._freed.set()

    async def _try_lowest(self, lane: str, lifespan: Lifespan) -> None:
        """Publish a lane's lowest row, until the lane can go on."""
        pause_s = self._timing.relay_pause_min_s
        while True:
            await lifespan.sleep(pause_s)
            pause_s = min(pause_s * 2, TROUBLE_MAX_S)
            if not self._holds_lease:
                return  # it is another relay's by now
            try:
                async with self._parts.work() as unit:
                    rows = await outbox.unsent_in(unit.sql, self._aggregate, lane, limit=1)
            except (Unavailable, Conflict):
                continue  # that reading fails is said where pages are read
            acked = await self._publish(rows)
            await self._mark(lane, acked, lifespan)
            if len(acked) == len(rows):
                return

    async def _publish(self, rows: Sequence[Unsent]) -> Collection[int]:
        """Publish rows of one lane; the ids of those that were acknowledged."""
        # one that cannot be sent keeps its place: what stands behind it waits
        sent = list(takewhile(lambda row: row.error is None, rows))
        results = await self._parts.log.publish([row.message for row in sent]) if sent else ()
        failed: list[tuple[Unsent, Exception | None]] = [
            (row, error) for row, error in zip(sent, results, strict=True) if error is not None
        ]
        failed += [(row, row.error) for row in rows[len(sent) :]]
        if failed:
            lowest, error = failed[0]
            self._trouble.note("not published", lowest.lane, lowest.id, len(failed), error)
        acked = {row.id for row in rows} - {row.id for row, _ in failed}
        topics = Counter(row.message.topic for row in rows if row.id in acked)
        for topic, events in topics.items():
            self._parts.metrics.published(topic, events)
        return acked

    async def _mark(self, lane: str, ids: Collection[int], lifespan: Lifespan) -> None:
        """Mark rows as sent, however long that takes: to give up would publish them again.

        Lanes that wait here for each other share a transaction. A row that another transaction has
        locked holds up its own lane alone: the others' rows are marked without it.
        """
        pause_s = self._timing.relay_pause_min_s
        self._acked.update(ids)
        await asyncio.sleep(0)  # one answer of the log acknowledges several lanes: all in this turn
        while True:
            async with self._marking:
                if self._acked.isdisjoint(ids):
                    return  # there was none, or another page has marked them with its own
                error = await self._mark_acked()
            if not (left := self._acked.intersection(ids)):
                return
            self._trouble.note("not marked", lane, min(left), len(left), error or LOCKED)
            await lifespan.sleep(pause_s)
            pause_s = min(pause_s * 2, TROUBLE_MAX_S)

    async def _mark_acked(self) -> Exception | None:
        """Mark all that was acknowledged, but what is locked. The error that kept it from that."""
        together = sorted(self._acked)
        left: set[int] = set()

        async def once() -> None:
            nonlocal left
            async with self._parts.work() as unit:
                left = await outbox.mark_published(unit.sql, together, unit.now.at)

        try:
            await despite_conflicts(once, self._parts.world)
        except (Unavailable, Conflict) as error:
            return error
        self._acked.difference_update(set(together) - left)
        return None

    async def _measure(self, lifespan: Lifespan) -> None:
        """Show how much is waiting, by the clock: also while nothing goes out, and not too often."""
        loop = asyncio.get_running_loop()
        outage = Outage(self._parts.logger, "not measured", relay=self.name)
        with suppress(Stopping):
            while True:
                began_at = loop.time()
                try:
                    async with self._parts.work() as unit:
                        waiting = await outbox.backlog(unit.sql, self._aggregate)
                except (Unavailable, Conflict) as error:
                    outage.goes_on(error)
                else:
                    outage.is_over()
                    oldest = waiting.oldest or unit.now.at
                    age_s = (unit.now.at - oldest).total_seconds()
                    self._parts.metrics.outbox(self._aggregate, waiting.rows, age_s)
                await lifespan.sleep(
                    max(self._timing.relay_measure_s, (loop.time() - began_at) * MEASURE_SHARE)
                )

    async def _hold_lease(self) -> bool:
        """Take or renew the lease; whether this relay holds it."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._look_at_lease_at:
            return self._holds_lease
        async with self._parts.work() as unit:
            held = await self._take_lease(
                unit, _TAKE_MINE_OR_FREE, now=unit.now.at
            ) or await self._succeed(unit)
        self._holds_lease = held
        self._look_at_lease_at = loop.time() + RENEW_S
        return held

    async def _take_lease(self, unit: UnitOfWork, statement: Update, **when: object) -> bool:
        until = unit.now.at + timedelta(seconds=LEASE_S)
        lease = {"of": self._aggregate, "me": self._holder, "until": until}
        return (await unit.sql.execute(statement, lease | when)).rowcount == 1

    async def _succeed(self, unit: UnitOfWork) -> bool:
        """Take the lease of a holder that has not renewed it for as long as it lasts.

        That is seen by this process's steady clock: a wall clock that was set back, here or there,
        would keep a dead holder's lease for as long.
        """
        lease = (await unit.sql.execute(_EPOCH, {"of": self._aggregate})).one_or_none()
        if lease is None:
            return await self._first_lease(unit)
        now = asyncio.get_running_loop().time()
        if lease.epoch != self._seen_epoch:
            self._seen_epoch, self._seen_at = lease.epoch, now
        is_silent = now - self._seen_at >= LEASE_S
        return is_silent and await self._take_lease(unit, _TAKE_SILENT, seen_epoch=lease.epoch)

    async def _first_lease(self, unit: UnitOfWork) -> bool:
        row = {
            "aggregate": self._aggregate,
            "holder": self._holder,
            "epoch": 1,
            "expires_at": unit.now.at + timedelta(seconds=LEASE_S),
        }
        await unit.sql.execute(insert(leases), [row])  # a lost race is a Conflict: try again
        return True

    async def _release_lease(self) -> None:
        """Let the next relay go on at once. Without it the lease ends by itself."""
        try:
            async with asyncio.timeout(1), self._parts.work() as unit:
                past = unit.now.at - timedelta(seconds=LEASE_S)
                lease = {"of": self._aggregate, "me": self._holder, "until": past}
                await unit.sql.execute(_RELEASE, lease)
        except (Unavailable, Conflict, TimeoutError) as error:
            self._parts.logger.info("lease left to expire", relay=self.name, error=str(error))


def _lanes(rows: Iterable[Unsent]) -> set[str]:
    return {row.lane for row in rows}


class _Trouble:
    """Says what makes a lane wait, in one line per pause, which grows for as long as it lasts."""

    def __init__(self, relay: str, logger: Logger) -> None:
        self._relay = relay
        self._logger = logger
        self._lanes: set[str] = set()
        self._rows = 0
        """Not published or marked since the last line: counted, not kept."""
        self._pause_s = TROUBLE_MAX_S
        self._silent_until = 0.0

    def note(self, what: str, lane: str, lowest: int, rows: int, why: object) -> None:
        self._lanes.add(lane)
        self._rows += rows
        now = asyncio.get_running_loop().time()
        if now < self._silent_until:
            return
        self._logger.warning(
            what,
            relay=self._relay,
            rows=self._rows,
            lanes=len(self._lanes),
            lane=lane,
            outbox_id=lowest,
            error=str(why),
        )
        self._rows = 0
        self._silent_until = now + self._pause_s
        self._pause_s = min(self._pause_s * 2, TELL_MAX_S)

    def is_over(self, lane: str) -> None:
        """For this lane. Once it is for all, what comes next is told at once."""
        self._lanes.discard(lane)
        if not self._lanes:
            self._rows = 0
            self._pause_s, self._silent_until = TROUBLE_MAX_S, 0.0
