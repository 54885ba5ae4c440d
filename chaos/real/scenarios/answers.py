"""An acknowledgement is lost: the work is done, and who asked for it does not know."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from chaos.kit.clients import problem_of
from chaos.kit.history import Op
from chaos.kit.servers.lines import ANSWERS_LOST, FALLS_SILENT, Trap, latency
from chaos.kit.servers.scenario import Course, Scenario
from chaos.real.stage import Stage
from scenarios.harness.servers.mysql import DATABASE

LATE_MS = 200
"""An answer is under way for so long: time enough to see that the work is done, and to fault."""
TRIES = 10
"""A busy machine may hit too late: then the answer has come, and it is tried again."""
LONGER_THAN_A_TRANSACTION_S = 5.0
"""So that the API has given the transaction up: a healed line brings the answer after all."""
MOMENT_S = 1.5
FINE_S = 0.005
API, RELAY = "order-api", "order-consumer"


async def _faulted_in_commit(
    stage: Stage, course: Course, trap: Trap, for_s: float, what: str
) -> tuple[bool, Op]:
    """One order, whose COMMIT is done when the trap is sprung; whether that was in time.

    1. Every answer of the database to order-api takes 200 ms.
    2. The order can be seen in the database: its COMMIT is done, the answer is on its way.
    3. The line fails. What is on its way does not arrive.

    The order has no Idempotency-Key, which would keep a second one away: the API has to find out
    what became of its transaction.
    """
    body = stage.order()
    cents = int(body["items"][0]["unit_price"] * 100)
    count = f"SELECT COUNT(*) FROM {DATABASE}.orders WHERE total_amount = {cents}"  # noqa: S608

    async def committed() -> bool:
        return int(await stage.sql(count)) > 0

    async with stage.lines.with_toxics(latency(LATE_MS), *trap.set_up, client=API, server="sql"):
        placing = asyncio.create_task(stage.place(body))
        await stage.until(committed, "the order in the database", every_s=FINE_S)
        with course.fault(what):
            await stage.lines.spring(trap, client=API, server="sql")
            await asyncio.sleep(MOMENT_S)
            is_in_time = not placing.done()
            await asyncio.sleep(for_s - MOMENT_S)
    placed = await placing
    course.holds(int(await stage.sql(count)) == 1, f"there is one order, not two: {placed}")
    return is_in_time, placed


async def _in_commit(
    stage: Stage, course: Course, trap: Trap, what: str, *, for_s: float, told: Callable[[Op], bool]
) -> None:
    """`told` says whether a client was told what it may be told."""
    for _ in range(TRIES):
        is_in_time, placed = await _faulted_in_commit(stage, course, trap, for_s, what)
        if is_in_time and told(placed):
            break
    course.saw(is_in_time, "the order was in the database, and its client did not know")
    course.holds(told(placed), f"its client was told in the end: {placed}")
    if placed.ok:
        await stage.until_shown(placed)
    await stage.recovers(course)


def _is_known(placed: Op) -> bool:
    return placed.ok


def _may_be_unknown(placed: Op) -> bool:
    """Two seconds are left to find out, which a busy machine may need for other things."""
    return placed.ok or problem_of(placed) == "outcome-unknown"


async def _half_open_commit(stage: Stage, course: Course) -> None:
    what = f"the line of {API} to the database falls silent in the middle of a COMMIT"
    await _in_commit(
        stage,
        course,
        FALLS_SILENT,
        what,
        for_s=LONGER_THAN_A_TRANSACTION_S,
        told=_may_be_unknown,
    )


async def _lost_commit_answer(stage: Stage, course: Course) -> None:
    what = f"the answer to a COMMIT of {API} is lost, and the connection closed"
    await _in_commit(stage, course, ANSWERS_LOST, what, for_s=MOMENT_S, told=_is_known)


async def _lost_broker_answer(stage: Stage, course: Course) -> None:
    """The same for the acknowledgement of a published event: the relay may not know of it."""
    for _ in range(TRIES):
        before = await stage.end("order.created")

        async def stored(before: int = before) -> bool:
            return await stage.end("order.created") > before

        async with stage.lines.with_toxics(
            latency(LATE_MS), *ANSWERS_LOST.set_up, client=RELAY, server="kafka"
        ):
            placed = await stage.place()
            await stage.until(stored, "the event in the log", every_s=FINE_S)
            with course.fault(f"the broker's acknowledgement to {RELAY} is lost"):
                await stage.lines.spring(ANSWERS_LOST, client=RELAY, server="kafka")
                await asyncio.sleep(MOMENT_S)
                unmarked = await _unmarked(stage)
        if unmarked:
            break
    course.saw(unmarked, f"the event was in the log, and {MOMENT_S:g} s later its row was unsent")

    async def marked() -> bool:
        return not await _unmarked(stage)

    await stage.until(marked, "the row is marked as sent")
    times = await stage.end("order.created") - before
    course.holds(
        times >= 1, f"it is marked as sent in the end; the event is {times} times in the log"
    )
    await stage.until_shown(placed)
    await stage.recovers(course)


async def _unmarked(stage: Stage) -> int:
    return int(
        await stage.sql(
            f"SELECT COUNT(*) FROM {DATABASE}.outbox"  # noqa: S608
            " WHERE event_type = 'order.created' AND processed_at IS NULL"
        )
    )


ALL = (
    Scenario(
        "half-open-commit",
        "The line to the database goes silent in the middle of a COMMIT: no order is lost or doubled.",
        _half_open_commit,
    ),
    Scenario(
        "lost-commit-answer",
        "A COMMIT is done and its answer lost: the client has one order, and knows it.",
        _lost_commit_answer,
    ),
    Scenario(
        "lost-broker-answer",
        "The broker has an event and its acknowledgement is lost: the relay sends it again.",
        _lost_broker_answer,
    ),
)
