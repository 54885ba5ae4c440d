"""Pass on only what this service has not handled yet, and note it in the same transaction."""

from __future__ import annotations

from dataclasses import replace

from system.kit.delivery import inbox
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.metrics import Metrics


def inboxed(service: str, metrics: Metrics) -> Middleware:
    """The ids are inserted before the handler runs, so that a zombie with the same batch waits here.

    A commit whose answer was lost is tried again and meets its own inbox rows.
    """

    def around(step: Step) -> Step:
        async def once(batch: Batch) -> None:
            assert batch.work is not None, "inboxed stands inside of transactional"
            unit = batch.work
            first_of = {envelope.event.event_id: envelope for envelope in batch.envelopes}
            seen = await inbox.known(unit.sql, service, first_of.keys(), waits=batch.waits)
            fresh = {id: envelope for id, envelope in first_of.items() if id not in seen}
            repeated = len(batch.envelopes) - len(fresh)
            metrics.duplicate(service, batch.records[0].partition.topic, repeated)
            if fresh:
                await inbox.remember(unit.sql, service, fresh.keys(), unit.now.at)
                await step(replace(batch, envelopes=tuple(fresh.values())))

        return once

    return around
