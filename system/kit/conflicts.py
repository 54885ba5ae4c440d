"""Trying again after a conflict: at once, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from system.kit.errors import CONFLICTS_MAX, JITTER_S, Conflict
from system.kit.ports.world import World


async def despite_conflicts(
    transact: Callable[[], Awaitable[None]],
    world: World,
    *,
    unless: Callable[[Conflict], bool] = lambda _: False,
) -> None:
    """Repeat a transaction that a conflict has rolled back. Past 20 the conflict is raised.

    `unless` says of which conflicts it is raised at once: trying again is not what helps.
    """
    for conflicts in range(CONFLICTS_MAX + 1):
        try:
            return await transact()
        except Conflict as conflict:
            if conflicts == CONFLICTS_MAX or unless(conflict):
                raise
        await asyncio.sleep(world.random.uniform(*JITTER_S))
    return None
