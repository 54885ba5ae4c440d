"""Trying again after a conflict: at once, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from system.kit.errors import CONFLICTS_MAX, JITTER_S, Conflict
from system.kit.ports.world import World


async def despite_conflicts(transact: Callable[[], Awaitable[None]], world: World) -> None:
    """Repeat a transaction that a conflict has rolled back. Past 20 the conflict is raised."""
    for conflicts in range(CONFLICTS_MAX + 1):
        try:
            return await transact()
        except Conflict:
            if conflicts == CONFLICTS_MAX:
                raise
        await asyncio.sleep(world.random.uniform(*JITTER_S))
    return None
