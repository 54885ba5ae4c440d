"""A server is gone for a while: what goes on without it, and what waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from chaos.kit.servers.scenario import Course, Scenario
from chaos.real.stage import Stage
from scenarios.harness.servers import Server
from scenarios.harness.servers.common import knock

AWAY_S = 5.0
WARM_S = 1.5


@asynccontextmanager
async def killed(course: Course, *servers: Server) -> AsyncIterator[None]:
    """`kill -9`, all at once; they are started again on their data."""
    with course.fault(f"kill -9 {', '.join(server.name for server in servers)}"):
        await asyncio.gather(*(server.kill() for server in servers))
        try:
            for server in servers:
                course.saw(await _is_gone(server), f"{server.name} takes no connection")
            yield
        finally:
            await asyncio.gather(*(server.start() for server in servers))


async def _is_gone(server: Server) -> bool:
    """Seen at its port: that a role is not ready may have another reason on a busy machine."""
    try:
        await knock(server.port)
    except OSError:
        return True
    return False


async def _not_ready(stage: Stage, server: Server) -> list[str]:
    """Who misses the server, once the first has noticed: a consumer with nothing to do takes longer."""
    waiting: list[str] = await stage.until(stage.system.not_ready, f"a role misses {server.name}")
    return waiting


def _outage(of: Callable[[Stage], Server]) -> Callable[[Stage, Course], Awaitable[None]]:
    async def play(stage: Stage, course: Course) -> None:
        before = await stage.letters()
        server = of(stage)
        async with stage.flow.at(10):
            await asyncio.sleep(WARM_S)
            async with killed(course, server):
                await asyncio.sleep(AWAY_S)
                waiting = await _not_ready(stage, server)
                course.saw(waiting, f"not ready without {server.name}: {', '.join(waiting)}")
        await stage.recovers(course)
        course.holds(await stage.letters() == before, "no new dead letter")

    return play


async def _query_api_without_views(stage: Stage, course: Course) -> None:
    async def status() -> int | None:
        return (await stage.page("/orders")).status

    async with stage.flow.at(5):
        await asyncio.sleep(WARM_S)
        async with killed(course, stage.servers.mongo):

            async def is_refused() -> bool:
                return await status() == 503

            await stage.until(is_refused, "GET /orders answers 503")
            course.saw(True, "GET /orders answers 503")
            placed = await stage.place()
            course.holds(placed.ok, "an order is taken meanwhile")

        async def well() -> bool:
            return await status() == 200

        await stage.until(well, "GET /orders answers 200 again")
    await stage.recovers(course)
    await stage.until_shown(placed)
    course.holds(
        True, "GET /orders answers 200 again, and shows the order that was placed meanwhile"
    )


async def _order_api_without_log(stage: Stage, course: Course) -> None:
    async with stage.flow.at(5):
        await asyncio.sleep(WARM_S)
        async with killed(course, stage.servers.kafka):
            placed = [await stage.place() for _ in range(5)]
            course.holds(all(op.status == 201 for op in placed), "five orders are taken with 201")
            course.holds(await stage.is_ready("order-api"), "order-api is ready")
            waiting = await _not_ready(stage, stage.servers.kafka)
            course.saw(waiting, f"not ready without the broker: {', '.join(waiting)}")
            seen = await stage.client.read(f"/orders/{placed[-1].json['id']}")
            course.saw(seen.status == 404, "the last of them is in no view yet")
    await stage.recovers(course)
    for op in placed:
        await stage.until_shown(op)


ALL = (
    Scenario(
        "outage-sql",
        "The database is killed and away for 5 s: all wait for it, and no message is given up.",
        _outage(lambda stage: stage.servers.sql),
    ),
    Scenario(
        "outage-kafka",
        "The broker is killed and away for 5 s: all wait for it, and no message is given up.",
        _outage(lambda stage: stage.servers.kafka),
    ),
    Scenario(
        "outage-views",
        "The views' server is killed and away for 5 s: all wait for it, no message is given up.",
        _outage(lambda stage: stage.servers.mongo),
    ),
    Scenario(
        "query-api-without-views",
        "Without its server query-api answers 503, orders are taken; then it answers again.",
        _query_api_without_views,
    ),
    Scenario(
        "order-api-without-broker",
        "Without the broker order-api still takes orders; they are shown once it is back.",
        _order_api_without_log,
    ),
)
