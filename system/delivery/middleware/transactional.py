"""One transaction around the batch: the inbox rows, the effect and the events, or nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from system.delivery.middleware import Batch, Middleware, Step
from system.ports.errors import CONFLICTS_MAX, JITTER_S, Conflict
from system.ports.work import Work
from system.ports.world import World


def transactional(work: Work, world: World) -> Middleware:
    """A conflict rolls back everything and tries again at once; past 20 it is a failure."""

    def around(step: Step) -> Step:
        async def in_one_transaction(batch: Batch) -> None:
            for conflicts in range(CONFLICTS_MAX + 1):
                try:
                    async with work() as unit:
                        await step(replace(batch, work=unit))
                    return
                except Conflict:
                    if conflicts == CONFLICTS_MAX:
                        raise
                await asyncio.sleep(world.random.uniform(*JITTER_S))

        return in_one_transaction

    return around
