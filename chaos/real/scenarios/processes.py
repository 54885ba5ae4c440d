"""Roles that come and go, stand still, or are killed."""

from __future__ import annotations

import asyncio

from chaos.kit.servers.lines import latency
from chaos.kit.servers.scenario import Course, Scenario
from chaos.real.clients import problem_of
from chaos.real.stage import Stage
from scenarios.harness.servers.mysql import DATABASE
from system.roles import GROUPS, ROLES

WARM_S = 1.5
MEMBER = "product-consumer"
RELAY = "order-consumer"
STALLED_S = 8.0
"""Longer than a lease and a session together, which are 3 s each."""
SLOW_MS = 300
FINE_S = 0.02


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

    async def open_transactions() -> set[str]:
        ids = await stage.sql(
            "SELECT GROUP_CONCAT(trx_id) FROM information_schema.innodb_trx"
            " WHERE trx_rows_modified > 0"
        )
        return set(str(ids).split(",")) if ids else set()

    async with stage.flow.at(10):
        await asyncio.sleep(WARM_S)
        with course.fault(
            f"the database's answers to {RELAY} take {SLOW_MS} ms, then kill -9 {RELAY}"
        ):
            async with stage.lines.with_toxics(latency(SLOW_MS), client=RELAY, server="sql"):

                async def long_open() -> set[str]:
                    before = await open_transactions()
                    await asyncio.sleep(SLOW_MS / 3000)
                    return before & await open_transactions()

                open_ones = await stage.until(long_open, "a long transaction", every_s=FINE_S)
                await stage.role(RELAY).kill()
                await asyncio.sleep(1)
                await stage.role(RELAY).start()
        course.saw(open_ones, f"{len(open_ones)} transactions with changes were open at the kill")
        await stage.until_ready(RELAY)
    await stage.recovers(course)


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
        "The database is slow for order-consumer, which is killed in an open transaction.",
        _slow_then_killed,
    ),
)
