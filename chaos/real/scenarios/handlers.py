"""A handler that fails on one message: its retries, its dead letter, its replay."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from itertools import pairwise
from operator import ge

from chaos.kit.history import Op
from chaos.kit.servers.scenario import Course, Scenario
from chaos.real.json_lines import Line, logged_at
from chaos.real.stage import Stage
from scenarios.harness.servers.mysql import DATABASE

CONSUMER = "product-consumer"
PAUSES_S = (1, 2, 4, 8, 16)
"""The system's own, which no setting of this run changes."""
REFUSED_QUANTITY = 77
"""No basket has so many, so the trigger meets the scenario's own order alone."""
REASON = "refused on purpose"
LETTERS = "/admin/dead-letters"


@asynccontextmanager
async def _reservation_refused(stage: Stage) -> AsyncIterator[None]:
    """The database refuses one row for its content: an error that is no outage and no conflict.

    1264 is "out of range": to the system a mistake of its own, and so worth a few retries.
    """
    ours = f"SELECT 1 FROM {DATABASE}.order_products WHERE order_id = NEW.order_id"  # noqa: S608
    signal = f"SIGNAL SQLSTATE '22003' SET MYSQL_ERRNO = 1264, MESSAGE_TEXT = '{REASON}'"
    await stage.sql(
        f"CREATE TRIGGER {DATABASE}.refuse BEFORE INSERT ON {DATABASE}.reservations FOR EACH ROW"
        f" IF EXISTS ({ours} AND quantity = {REFUSED_QUANTITY}) THEN {signal}; END IF"
    )
    try:
        yield
    finally:
        await stage.sql(f"DROP TRIGGER IF EXISTS {DATABASE}.refuse")


async def _all_retries(stage: Stage) -> Sequence[Line]:
    async def five() -> Sequence[Line]:
        lines = stage.logged(CONSUMER, "to be retried")
        ours = [line for line in lines if REASON in line["error"]]
        return ours if len(ours) >= len(PAUSES_S) else []

    found: Sequence[Line] = await stage.until(five, "five lines 'to be retried' in the log")
    return found


async def _refused_order(stage: Stage) -> Op:
    body = stage.order(quantity=REFUSED_QUANTITY)
    # A key of its own: by one that was used before, the answer would be that of the earlier order.
    key = f"refused-{stage.seed}-{body['items'][0]['unit_price']}"
    return stage.taken(await stage.place(body, key=key))


def is_on_schedule(pauses_s: Sequence[float]) -> bool:
    """No retry came earlier; on a busy machine later."""
    return len(pauses_s) == len(PAUSES_S) and all(map(ge, pauses_s, PAUSES_S))


async def _retries(stage: Stage, course: Course) -> None:
    async with stage.flow.at(3):
        with course.fault("the database refuses the reservation of one order"):
            async with _reservation_refused(stage):
                placed = await _refused_order(stage)
                retries = await _all_retries(stage)
        course.saw(len(retries) == len(PAUSES_S), f"{len(retries)} lines 'to be retried'")
        said_s = tuple(line["pause_s"] for line in retries)
        course.holds(said_s == PAUSES_S, f"to be retried after {said_s} s")
        await stage.until_shown(placed)
    times = [course.timeline.of_wall(logged_at(line)) for line in retries]
    handled_at = await stage.sql(
        f"SELECT created_at FROM {DATABASE}.outbox"  # noqa: S608
        f" WHERE event_type = 'stock.reserved' AND message_key = '{placed.json['id']}'"
    )
    times.append(course.timeline.of_wall(handled_at.replace(tzinfo=UTC)))
    pauses_s = [round(after - before, 2) for before, after in pairwise(times)]
    course.holds(is_on_schedule(pauses_s), f"retried after {pauses_s} s")
    await stage.recovers(course)


async def _dead_letter(stage: Stage, course: Course) -> None:
    async with stage.flow.at(3):
        with course.fault("the database refuses the reservation of one order, again and again"):
            async with _reservation_refused(stage):
                placed = await _refused_order(stage)
                await _all_retries(stage)

                async def parked() -> list[Line]:
                    answer = await stage.client.ask(CONSUMER, "GET", LETTERS)
                    found = answer.json["dead_letters"] if answer.ok else []
                    return [letter for letter in found if REASON in letter["error"]]

                (letter,) = await stage.until(parked, "the dead letter")
        stage.forced.add(letter["id"])
        attempts = letter["attempts"]
        course.saw(True, f"the dead letter {letter['id']}: {letter['error']}")
        course.holds(attempts == len(PAUSES_S) + 1, f"parked after {attempts} attempts")
        seen = await stage.client.read(f"/orders/{placed.json['id']}")
        course.holds(seen.ok and seen.json["reservation"] == "pending", "nothing was reserved")
        selection = {"ids": [letter["id"]]}
        replayed = await stage.client.ask(CONSUMER, "POST", f"{LETTERS}/replay", selection)
        course.holds(replayed.ok, f"replayed: {replayed.answer.decode()}")
        await stage.until_shown(placed)
    course.holds(not await parked(), "no dead letter is open")
    await stage.recovers(course)


ALL = (
    Scenario(
        "retries",
        "A handler fails five times on one message, which is retried after 1, 2, 4, 8 and 16 s.",
        _retries,
    ),
    Scenario(
        "dead-letter",
        "A handler fails at every retry: the message is a dead letter, and a replay handles it.",
        _dead_letter,
    ),
)
