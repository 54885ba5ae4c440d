"""The lag that a consumer shows, and no lag of a group that it has left."""

from __future__ import annotations

import asyncio

from scenarios.delivery.bench import bench, in_virtual_time
from scenarios.harness.settled import eventually
from system.kit import logs
from system.kit.delivery.consumer import Consumer
from system.kit.delivery.middleware import Batch
from system.kit.errors import Stopping
from system.kit.lifespan import Lifespan
from system.kit.ports.log import Message


@in_virtual_time
async def test_what_waits_is_shown_until_the_consumer_ends() -> None:
    async with bench() as it:
        lifespan = Lifespan()

        async def never(_: Batch) -> None:
            await lifespan.stopping.wait()
            raise Stopping

        topic = "user.created"
        consumer = Consumer(
            "waiting",
            "group",
            {topic: lambda _: never},
            log=it.parts.log("waiting"),
            metrics=it.metrics,
            logger=logs.logger("waiting"),
        )
        await it.parts.log("x").publish([Message(topic, b"7", b"", ()) for _ in range(3)])
        running = asyncio.create_task(consumer.run(lifespan))

        async def shown() -> list[str]:
            lines = it.metrics.text().decode().splitlines()
            return [line for line in lines if line.startswith("consumer_lag{")]

        await eventually(shown, lambda lines: any(line.endswith(" 3.0") for line in lines))
        lifespan.stopping.set()
        await running
        assert await shown() == []
