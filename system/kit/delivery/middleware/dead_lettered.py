"""Park a message that was given up, so that the ones behind it go on."""

from __future__ import annotations

from system.kit.delivery.dead_letters import Park
from system.kit.delivery.failures import GivenUp
from system.kit.delivery.middleware import Batch, Middleware, Step


def dead_lettered(park: Park) -> Middleware:
    """Returns, and so lets the offset move, only once the dead letter is acknowledged."""

    def around(step: Step) -> Step:
        async def parking(batch: Batch) -> None:
            try:
                await step(batch)
            except GivenUp as given_up:
                await park(batch.records[0], given_up.failure)

        return parking

    return around
