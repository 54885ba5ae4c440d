"""Say which records were handled: at the level debug, one line a batch."""

from __future__ import annotations

from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.delivery.outbox import ids_of
from system.kit.logs import Logger


def logged(consumer: str, logger: Logger) -> Middleware:
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
                **ids_of(last.message),
            )

        return tracing

    return around
