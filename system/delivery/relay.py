"""The relay: publishes what the outbox holds, in order, at least once.

Order does not come from the lease. Reading starts at the lowest unmarked row; a row is sent only
after every lower row of its key was acknowledged or goes before it in the same call; and it is
marked only after the broker's ack. So a relay that stalls beyond its lease and wakes up repeats
rows but never reorders them. The lease only bounds how much is repeated.

1. A reads rows 1–3 and stalls.  2. Its lease ends; B publishes and marks 1–5.  3. A wakes up and
publishes 1–3 again: repeats of what is there, after it. The inbox and the versions absorb them.
With `SKIP LOCKED`, B would have published 4–5 before 1–3.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Column, Integer, Table, Update, bindparam, insert, or_, select, update

from system.columns import TABLE_OPTIONS, Timestamp, ascii_key, metadata
from system.delivery import outbox
from system.delivery.conflicts import despite_conflicts
from system.delivery.outbox import Key, Unsent
from system.life import Life
from system.logs import Logger
from system.metrics import Metrics
from system.ports.errors import Conflict, Stopping, Unavailable
from system.ports.log import Log
from system.ports.work import UnitOfWork, Work
from system.ports.world import World

PAGE = 500
LEASE_S = 3.0
RENEW_S = 1.0
PAUSE_MIN_S = 0.002
TROUBLE_MAX_S = 1.0
MEASURE_S = 5.0

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
    work: Work
    log: Log
    world: World
    metrics: Metrics
    logger: Logger
    commits: asyncio.Event
    """Set when this process has committed events of the aggregate: no need to wait for the poll."""


class Relay:
    """Publishes one aggregate's outbox. Any number of them may run; one at a time holds the lease."""

    def __init__(self, aggregate: str, parts: RelayParts, *, poll_interval_s: float) -> None:
        self.name = f"{aggregate}-relay"
        self._aggregate = aggregate
        self._parts = parts
        self._poll_interval_s = poll_interval_s
        self._holder = str(parts.world.new_id())
        self._holds_lease = False
        self._look_at_lease_at = 0.0
        self._seen_epoch = 0
        self._seen_at = 0.0
        """Since when another relay's lease stands as it is."""
        self._measure_at = 0.0
        self._blocked: set[Key] = set()
        """Topics and keys that the broker has just not taken: left alone until their next try."""
        self._blocked_until = 0.0
        self._blocked_pause_s = PAUSE_MIN_S
        self._refused: list[tuple[Unsent, Exception]] = []
        """What the log has not taken in this round, and why."""

    async def run(self, life: Life) -> None:
        pause_s = PAUSE_MIN_S
        trouble_s = PAUSE_MIN_S
        with suppress(Stopping):
            while not life.stopping.is_set():
                # before reading, so that a commit from here on rings again; also without the
                # lease, or the bell of this process's own commits would ring on for ever
                self._parts.commits.clear()
                try:
                    sent = await self._round(life)
                    await self._measure()
                except (Unavailable, Conflict) as error:
                    self._parts.logger.warning("the relay waits", relay=self.name, error=str(error))
                    trouble_s = min(trouble_s * 2, TROUBLE_MAX_S)
                    await life.sleep(trouble_s)
                    continue
                life.ready(self.name)
                trouble_s = PAUSE_MIN_S
                pause_s = PAUSE_MIN_S if sent else min(pause_s * 2, self._poll_interval_s)
                await self._pause(life, pause_s)
        await self._release_lease()

    async def _round(self, life: Life) -> bool:
        try:
            return await self._hold_lease() and await self.relay_once(life)
        finally:
            self._tell_refused()

    async def relay_once(self, life: Life) -> bool:
        """Publish every row that can be; whether there was any. Raises Unavailable, Conflict."""
        above = 0
        any_sent = False
        blocked = self._left_alone()
        while not life.stopping.is_set():
            async with self._parts.work() as unit:
                rows = await outbox.unsent(unit.sql, self._aggregate, above=above, limit=PAGE)
                # committed meanwhile, below the pages that were read: their keys wait a round
                early = await outbox.keys_with_rows_up_to(unit.sql, self._aggregate, above, rows)
            ready = [row for row in rows if row.key not in early]
            any_sent |= await self._publish(ready, blocked)
            if len(rows) < PAGE or not await self._hold_lease():
                break
            # what was sent is marked, so begin anew; only what is blocked is gone past, in this
            # round, or it would starve the rest
            above = rows[-1].id if blocked else 0
        self._leave_alone(blocked)
        return any_sent

    def _left_alone(self) -> set[Key]:
        """What not to try now: a broker that does not answer holds up the whole call."""
        now = asyncio.get_running_loop().time()
        return set(self._blocked) if now < self._blocked_until else set()

    def _leave_alone(self, blocked: set[Key]) -> None:
        """Until the next try of all of it together, which nothing that comes later puts off."""
        self._blocked = blocked
        now = asyncio.get_running_loop().time()
        if not blocked:
            self._blocked_pause_s = PAUSE_MIN_S
        elif now >= self._blocked_until:
            self._blocked_pause_s = min(self._blocked_pause_s * 2, TROUBLE_MAX_S)
            self._blocked_until = now + self._blocked_pause_s

    async def _publish(self, rows: list[Unsent], blocked: set[Key]) -> bool:
        """Publish the rows but those of `blocked` keys, and mark what was acknowledged."""
        ready = [row for row in rows if row.key not in blocked]
        if not ready:
            return False
        results = await self._parts.log.publish([row.message for row in ready])
        acked = [row for row, error in zip(ready, results, strict=True) if error is None]
        for row, error in zip(ready, results, strict=True):
            if error is not None:
                blocked.add(row.key)
                self._refused.append((row, error))
        if acked:
            await self._mark(acked)
        return bool(acked)

    def _tell_refused(self) -> None:
        """Say in one line what a round could not publish: in an outage that is all that waits."""
        if not self._refused:
            return
        first, error = self._refused[0]
        self._parts.logger.warning(
            "not published",
            relay=self.name,
            rows=len(self._refused),
            first_outbox_id=first.id,
            error=str(error),
        )
        self._refused.clear()

    async def _mark(self, rows: list[Unsent]) -> None:
        """A conflict repeats this alone: a round that gave up would publish the rows again."""

        async def once() -> None:
            async with self._parts.work() as unit:
                await outbox.mark(unit.sql, [row.id for row in rows], unit.now.at)

        await despite_conflicts(once, self._parts.world)
        for row in rows:
            self._parts.metrics.published(row.message.topic)

    async def _measure(self) -> None:
        """Show how much is waiting. Counting is not free, so not in every round."""
        now = asyncio.get_running_loop().time()
        if now < self._measure_at:
            return
        self._measure_at = now + MEASURE_S
        async with self._parts.work() as unit:
            waiting = await outbox.backlog(unit.sql, self._aggregate)
        age_s = (unit.now.at - waiting.oldest).total_seconds() if waiting.oldest else 0.0
        self._parts.metrics.outbox(self._aggregate, waiting.rows, age_s)

    async def _pause(self, life: Life, seconds: float) -> None:
        """Wait for a commit of this process, or for the next poll."""
        events = (self._parts.commits, life.stopping)
        waits = [asyncio.ensure_future(event.wait()) for event in events]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

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
