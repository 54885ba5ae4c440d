"""A limit is one only if it does the work: the same rows, records and documents as the system."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from sqlalchemy import text

from load.bench.figures import BACKLOGS, Backlog, Backlogs
from load.bench.ground import Ground
from scenarios.harness.namespace import Place
from scenarios.harness.servers import shared
from system.settings import Settings

pytestmark = pytest.mark.stack("local")

EVENTS = 300
LOOKS = {
    "sent rows": "SELECT COUNT(*) FROM outbox WHERE processed_at IS NOT NULL",
    "unsent rows": "SELECT COUNT(*) FROM outbox WHERE processed_at IS NULL",
    "handled ids": "SELECT COUNT(*) FROM processed_events",
    "reservations": "SELECT COUNT(*) FROM reservations WHERE state = 'reserved' AND version = 1",
    "stock": "SELECT SUM(on_hand) FROM stock",
    "noted": "SELECT COUNT(*) FROM orders WHERE reservation = 'reserved'",
}


@pytest.mark.parametrize("backlog", BACKLOGS, ids=lambda backlog: backlog.name)
async def test_after_the_same_backlog_both_show_the_same(backlog: Backlog) -> None:
    servers = await shared.servers()
    ground = Ground(Settings.model_validate(servers.environment()), None)
    async with ground.place() as own, ground.place() as limit:
        made = Backlogs(own, limit, ground)

        await backlog.drained(made, EVENTS)
        await backlog.bare(made, EVENTS)()

        assert await rows(ground, own) == await rows(ground, limit)
        assert await records(ground, own) == await records(ground, limit)


async def rows(ground: Ground, place: Place) -> Mapping[str, int]:
    async with place.parts(ground.settings, instance="look") as parts, parts.work() as unit:
        return {name: int(await unit.sql.scalar(text(look)) or 0) for name, look in LOOKS.items()}


async def records(ground: Ground, place: Place) -> Mapping[str, int]:
    async with place.parts(ground.settings, instance="look") as parts:
        topics = ("order.created", "stock.reserved")
        ends = await parts.log("look").ends(topics)
        return {
            topic: sum(end for partition, end in ends.items() if partition.topic == topic)
            for topic in topics
        }
