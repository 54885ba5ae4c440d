"""One transaction around the batch: the inbox rows, the effect and the events, or nothing."""

from __future__ import annotations

from dataclasses import replace

from system.delivery.conflicts import despite_conflicts
from system.delivery.middleware import Batch, Middleware, Step
from system.ports.work import Work
from system.ports.world import World


def transactional(work: Work, world: World) -> Middleware:
    """A conflict rolls back everything and tries again at once; past 20 it is a failure."""

    def around(step: Step) -> Step:
        async def in_one_transaction(batch: Batch) -> None:
            async def once() -> None:
                async with work() as unit:
                    await step(replace(batch, work=unit))

            await despite_conflicts(once, world)

        return in_one_transaction

    return around
