"""Roles that come and go, stand still, or are killed."""

from __future__ import annotations

import asyncio
import json

from chaos.kit.clients import problem_of
from chaos.kit.servers.lines import latency
from chaos.kit.servers.scenario import Course, Scenario
from chaos.real.stage import Stage
from scenarios.harness.servers.mysql import DATABASE
from system.roles import GROUPS, ROLES

WARM_S = 1.5
MEMBER = "product-consumer"
RELAY = "order-consumer"
STALLED_S = 8.0
"""Longer than a lease and a session together, which are 3 s each."""
SLOW_MS = 300
IN_HAND_S = 0.4
"""Shorter than a transaction on that line, and longer than a consumer takes to commit an offset."""
IN_HAND_WITHIN_S = 20.0
TRIES = 10
"""A busy machine may hit too late: then the transaction is done."""
LATEST = 1_000


async def _rebalance(stage: Stage, course: Course) -> None:
    async with stage.flow.at(10):
        await asyncio.sleep(WARM_S)
        alone = await stage.partitions(MEMBER)
        with course.fault(f"a second {MEMBER} joins, and is gone again"):
            async with stage.second(MEMBER):

                async def shared() -> dict[str, int]:
                    found = await stage.partitions(MEMBER)
                    return found if len(found) == 2 and all(found.values()) else {}

                both = await stage.until(shared, "two members with partitions")
        course.saw(both, f"partitions of {MEMBER}: {alone}, then {both}")

        async def one_again() -> bool:
            return list(await stage.partitions(MEMBER)) == list(alone)

        await stage.until(one_again, "one member with all partitions")
        course.holds(True, "the first one has all of them again")
    await stage.recovers(course)


async def _stalled_relay(stage: Stage, course: Course) -> None:
    async def holder() -> str:
        table = f"{DATABASE}.relay_leases"
        return str(await stage.sql(f"SELECT holder FROM {table} WHERE aggregate = 'order'"))  # noqa: S608

    async with stage.flow.at(8), stage.second(RELAY):
        before = await holder()
        first = stage.role(RELAY)
        with course.fault(f"SIGSTOP {RELAY} for {STALLED_S:g} s, longer than its lease"):
            await first.pause()
            try:

                async def succeeded() -> bool:
                    return await holder() != before

                await stage.until(succeeded, "another holder of the lease")
                published = await stage.end("order.created")

                async def more() -> int:
                    return await stage.end("order.created") - published

                await asyncio.sleep(STALLED_S)
                count = await stage.until(more, "events that another relay publishes")
            finally:
                await first.resume()
        course.saw(True, "another relay took the lease while the first stood still")
        course.holds(count, f"{count} events of orders were published meanwhile")
        await stage.until_ready(RELAY)
    await stage.recovers(course)


async def _rolling_restart(stage: Stage, course: Course) -> None:
    """As a deployment does: no API is without a process, and a consumer's work waits a moment."""
    began = len(stage.history.ops)
    async with stage.flow.at(6, leaves=False), stage.second(*GROUPS["apis"]):
        for spec in ROLES:
            async with stage.aside(spec.name) as first:
                pid = first.pid
                with course.fault(f"SIGTERM {spec.name}, and start it again"):
                    await first.stop()
                    await first.start()
                    await stage.until_ready(first.name)
                course.saw(first.pid != pid, f"{spec.name} is another process: {pid}, {first.pid}")
                course.holds(not first.failures, "it ended in time, with 0")
    refused = [
        op
        for op in stage.history.ops[began:]
        if op.status is None or (op.status >= 500 and problem_of(op) != "view-behind")
    ]
    asked = len(stage.history.ops) - began
    course.holds(
        not refused, f"none of {asked} requests was refused{''.join(f'; {op}' for op in refused)}"
    )
    await stage.recovers(course)


async def _slow_then_killed(stage: Stage, course: Course) -> None:
    """A blind kill hardly ever meets a transaction of some milliseconds; here it lasts a second."""
    async with stage.flow.at(10):
        await asyncio.sleep(WARM_S)
        for _ in range(TRIES):
            events = await _killed_with_events_in_hand(stage, course)
            if events:
                break
        course.saw(
            events,
            f"{len(events)} events were in hand at the kill:"
            " their inbox rows were written, and rolled back",
        )

        async def handled() -> bool:
            return events <= await _inbox(stage)

        await stage.until(handled, f"the {len(events)} events in hand at the kill are handled")
        course.holds(True, "all of them are handled after the restart")
    await stage.recovers(course)


async def _killed_with_events_in_hand(stage: Stage, course: Course) -> set[str]:
    """The events whose effects were open at a kill, and rolled back by it.

    1. Every answer of the database takes 300 ms.
    2. A handler's transaction writes its inbox rows first. They are there, and not committed.
    3. Some time later they still are: the kill.
    """

    async def in_hand() -> set[str]:
        written = await _inbox(stage, uncommitted=True)
        return written - await _inbox(stage)

    async def still_in_hand() -> set[str]:
        before = await in_hand()
        await asyncio.sleep(IN_HAND_S)
        return before & await in_hand()

    what = f"the database's answers to {MEMBER} take {SLOW_MS} ms, then kill -9 {MEMBER}"
    with course.fault(what):
        async with stage.lines.with_toxics(latency(SLOW_MS), client=MEMBER, server="sql"):
            events: set[str] = await stage.look_for(still_in_hand, within_s=IN_HAND_WITHIN_S)
            await stage.role(MEMBER).kill()

        async def ended() -> bool:
            return not events & await in_hand()

        try:
            await stage.until(ended, "the transactions of the killed process end")
            events -= await _inbox(stage)
        finally:
            await stage.role(MEMBER).start()
    await stage.until_ready(MEMBER)
    return events


async def _inbox(stage: Stage, *, uncommitted: bool = False) -> set[str]:
    """The latest events that the consumer's inbox rows name."""
    latest = (
        f"SELECT event_id FROM {DATABASE}.processed_events"  # noqa: S608
        f" WHERE service_name = '{MEMBER}' ORDER BY processed_at DESC LIMIT {LATEST}"
    )
    ids = await stage.sql(
        f"SELECT JSON_ARRAYAGG(event_id) FROM ({latest}) AS latest",  # noqa: S608
        uncommitted=uncommitted,
    )
    return set(json.loads(ids)) if ids else set()


ALL = (
    Scenario(
        "rebalance",
        "A second product-consumer joins under load, and leaves: partitions move, nothing is lost.",
        _rebalance,
    ),
    Scenario(
        "stalled-relay",
        "A relay stands still beyond its lease: another takes over, and order is kept.",
        _stalled_relay,
    ),
    Scenario(
        "rolling-restart",
        "All eight roles are restarted in turn, with a second process of each API: no request is refused.",
        _rolling_restart,
    ),
    Scenario(
        "slow-then-killed",
        "The database is slow for product-consumer, which is killed while events are in hand.",
        _slow_then_killed,
    ),
)
