"""Decode record by record, before anything is shared, so that poison costs its neighbours nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from system.kit.delivery import outbox
from system.kit.delivery.dead_letters import Park, is_for
from system.kit.delivery.failures import Failure
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.delivery.patience import patiently
from system.kit.errors import Poison
from system.kit.events import Envelope, Event
from system.kit.lifespan import Lifespan
from system.kit.logs import Logger
from system.kit.ports.log import Record
from system.kit.ports.world import World


def decode(
    record: Record, events: Mapping[str, type[Event]]
) -> Envelope[Any]:  # of whatever event the topic has
    if record.unreadable is not None:
        raise Poison(record.unreadable.reason)
    return outbox.decode(record.message, events)


def decoded(
    consumer: str,
    park: Park,
    *,
    lifespan: Lifespan,
    world: World,
    logger: Logger,
    events: Mapping[str, type[Event]],
) -> Middleware:
    """Pass on what can be read; park the rest at once, waiting for the broker if need be.

    Replays meant for another consumer are passed over.
    """

    def around(step: Step) -> Step:
        async def decoding(batch: Batch) -> None:
            good = []
            for record in batch.records:
                if not is_for(record, consumer):
                    continue
                try:
                    good.append((record, decode(record, events)))
                except Poison as poison:
                    failure = Failure.after(None, poison, world.now())
                    await patiently(partial(park, record, failure), lifespan, logger)
            if good:
                records, envelopes = zip(*good, strict=True)
                await step(replace(batch, records=records, envelopes=envelopes))

        return decoding

    return around
