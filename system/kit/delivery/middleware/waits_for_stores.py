"""Wait while a store is away: an outage is no message's fault and parks nothing."""

from __future__ import annotations

from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.delivery.patience import patiently
from system.kit.lifespan import Lifespan
from system.kit.logs import Logger


def waits_for_stores(lifespan: Lifespan, logger: Logger) -> Middleware:
    """Outside of `dead_lettered`, so that the broker's own outage while parking waits too.

    A larger batch that timed out goes back to `bisected`: it may only have been too much at once.
    """

    def around(step: Step) -> Step:
        async def waiting(batch: Batch) -> None:
            await patiently(
                lambda: step(batch), lifespan, logger, unless_timed_out=not batch.single
            )

        return waiting

    return around
