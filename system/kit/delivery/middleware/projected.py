"""The projections, innermost on the query side. They need no inbox: a put is idempotent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from system.kit.delivery.middleware import Batch, Step
from system.kit.metrics import Metrics
from system.kit.ports.views import Put, Views
from system.kit.ports.world import World

Projection = Callable[[Any], Iterable[Put]]
"""Pure: event to puts. Any: each projection names its own event."""


def projected(
    projections: Sequence[Projection],
    views: Views,
    *,
    is_read: Callable[[], bool],
    world: World,
    metrics: Metrics,
) -> Step:
    """Fold events into views; how long they took to be seen counts only where someone reads."""

    async def projecting(batch: Batch) -> None:
        await views.put(
            [
                put
                for envelope in batch.envelopes
                for projection in projections
                for put in projection(envelope.event)
            ]
        )
        if not is_read():
            return
        now = world.now()
        for envelope in batch.envelopes:
            event = envelope.event
            metrics.visible(event.type, (now - event.occurred_at).total_seconds())

    return projecting
