"""Dead letters of a topic that is away: an operator is told which one, and the others go on.

Clients of the APIs are told no such thing: what is behind them is none of their business.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from chaos.kit.points import FaultyLog
from scenarios.delivery.bench import (
    CAUSE,
    CONSUMER,
    EPOCH,
    Bench,
    bench,
    in_virtual_time,
    letters_of,
)
from scenarios.harness.fault_rules import Switchboard
from system.kit.delivery.failures import Failure
from system.kit.errors import StoreUnavailable, Unavailable
from system.kit.http.route import Answer, Request
from system.kit.operations import admin
from system.kit.ports.log import Log, Message
from system.kit.values import loads
from system.table import SHOP

AWAY = "order.paid"
THERE = "order.created"
LETTERS = "/admin/dead-letters"
RESOLVES = [f"{LETTERS}/replay", f"{LETTERS}/purge"]


class Without(FaultyLog):
    """A log that lacks one topic, and the dead letters of it."""

    asked = 0

    async def publish(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        if messages[0].topic.removesuffix(".dlq") != AWAY:
            return await super().publish(messages)
        self.asked += 1
        return [Unavailable(f"there is no topic {messages[0].topic}")] * len(messages)


async def call(it: Bench, log: Log, method: str, path: str, body: Any = None) -> Answer:
    """Ask a consumer's own API, as the command line does."""
    letters = letters_of(CONSUMER, it.parts, log, it.metrics)
    routes = admin.dead_letter_routes(letters, SHOP.consumers)
    (route,) = [each for each in routes if (each.method, each.path) == (method, path)]
    return await route.run(
        Request(
            CAUSE,
            body=route.body.model_validate(body) if route.body else None,
            query=route.query.model_validate({}) if route.query and not body else None,
        )
    )


async def park(it: Bench, *topics: str) -> None:
    for topic in topics:
        await it.parts.log("x").publish([Message(topic, b"7", b"{}", ())])
        record = (await it.records(topic))[-1]
        await it.letters.park(record, Failure.after(None, ValueError("broken"), EPOCH))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", LETTERS, None), *(("POST", path, {"all": True}) for path in RESOLVES)],
)
def test_the_503_to_who_asks_for_them_names_the_topic(
    method: str, path: str, body: dict[str, Any] | None
) -> None:
    @in_virtual_time
    async def is_named() -> None:
        async with bench() as it:
            board = Switchboard()
            board.fail("log.read", error=lambda _: Unavailable(f"there is no topic {AWAY}.dlq"))
            log = FaultyLog(it.parts.log("x"), board, CONSUMER)
            with pytest.raises(StoreUnavailable) as refused:
                await call(it, log, method, path, body)
            assert refused.value.detail == (
                f"The dead letters cannot be read: there is no topic {AWAY}.dlq."
            )

    is_named()


@pytest.mark.parametrize("path", RESOLVES)
def test_letters_of_a_topic_that_is_away_stay_open_and_the_others_are_done(path: str) -> None:
    @in_virtual_time
    async def go_on() -> None:
        async with bench() as it:
            await park(it, AWAY, AWAY, THERE)
            log = Without(it.parts.log("x"), Switchboard(), CONSUMER)
            answer = loads((await call(it, log, "POST", path, {"all": True})).body)
            assert [letter["topic"] for letter in answer["dead_letters"]] == [THERE]
            for failed in answer["failed"]:
                assert failed["id"].startswith(AWAY)
                assert f"there is no topic {AWAY}" in failed["reason"]
            left = await it.letters.open()
            assert [letter.topic for letter in left] == [AWAY, AWAY]
            assert log.asked == 1  # the second need not wait for what the first has waited for

    go_on()
