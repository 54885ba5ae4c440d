"""A store that is away is told when that begins and when it is over: no line for each try between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from chaos.kit.points import FaultyLog, faulty_work
from scenarios.delivery.bench import Bench, bench, in_virtual_time
from scenarios.harness.fault_rules import Switchboard
from system.kit.delivery.consumer import Consumer
from system.kit.delivery.patience import Outage, patiently
from system.kit.delivery.relay import Relay, RelayParts
from system.kit.errors import Unavailable
from system.kit.lifespan import Lifespan, Service
from system.kit.logs import Logger

AN_HOUR_S = 3600.0


class Told:
    """The lines of a logger."""

    def __init__(self) -> None:
        self._capture = LogCapture()
        self.logger: Logger = structlog.wrap_logger(
            None, [self._capture], structlog.make_filtering_bound_logger("info")
        )

    @property
    def lines(self) -> list[tuple[str, str]]:
        return [(line["log_level"], line["event"]) for line in self.facts]

    @property
    def facts(self) -> Sequence[Mapping[str, Any]]:
        return self._capture.entries


def consumer(it: Bench, faults: Switchboard, logger: Logger) -> Service:
    return Consumer(
        "consumer",
        "group",
        {"user.created": lambda _: lambda _: asyncio.sleep(0)},
        log=FaultyLog(it.parts.log("consumer"), faults, "consumer"),
        metrics=it.metrics,
        logger=logger,
    )


def relay(it: Bench, faults: Switchboard, logger: Logger) -> Service:
    parts = RelayParts(
        work=faulty_work(it.parts.work, faults, "relay"),
        log=it.parts.log("relay"),
        world=it.parts.world,
        metrics=it.metrics,
        logger=logger,
        commits=asyncio.Event(),
    )
    return Relay("user", parts, poll_interval_s=0.1)


@pytest.mark.parametrize(
    ("service", "store", "messages"),
    [
        (consumer, "log", ["the log is away"]),
        (relay, "sql", ["not measured", "the relay waits"]),
    ],
    ids=["consumer", "relay"],
)
@in_virtual_time
async def test_an_hour_without_a_store_is_told_when_it_begins_and_when_it_is_over(
    service: Callable[[Bench, Switchboard, Logger], Service], store: str, messages: list[str]
) -> None:
    faults, lifespan, told = Switchboard(), Lifespan(), Told()
    async with bench() as it:
        running = asyncio.create_task(service(it, faults, told.logger).run(lifespan))
        with faults.outage(store):
            await asyncio.sleep(AN_HOUR_S)
        await asyncio.sleep(60)
        lifespan.stopping.set()
        await running

    assert sorted(event for level, event in told.lines if level == "warning") == messages
    assert sorted(fact["what"] for fact in told.facts if fact["event"] == "over") == messages


class Away:
    """A store that is away until an hour has passed."""

    def __init__(self) -> None:
        self.tries = 0

    async def __call__(self) -> None:
        self.tries += 1
        if asyncio.get_running_loop().time() < AN_HOUR_S:
            raise Unavailable(f"try {self.tries}: nobody is there")


@in_virtual_time
async def test_a_wait_is_told_with_what_helps_and_with_how_long_it_was() -> None:
    away, told = Away(), Told()
    await patiently(away, Lifespan(), told.logger, hint="start it")

    assert away.tries > 1_000
    assert told.lines == [("warning", "waiting for a store"), ("info", "over")]
    began, over = told.facts
    assert (began["error"], began["hint"]) == ("try 1: nobody is there", "start it")
    assert over["lasted_s"] >= AN_HOUR_S - 1


@in_virtual_time
async def test_each_outage_is_told_for_itself() -> None:
    told = Told()
    outage = Outage(told.logger, "away")
    for _ in range(2):
        for _ in range(3):
            outage.goes_on(Unavailable("gone"))
        for _ in range(3):
            outage.is_over()

    assert told.lines == [("warning", "away"), ("info", "over")] * 2
