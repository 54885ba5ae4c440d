"""Waiting for a store that is away: for as long as it lasts, never counted as an attempt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from system.life import Life
from system.logs import Logger
from system.ports.errors import TimedOut, Unavailable

PAUSE_MIN_S = 0.05
PAUSE_MAX_S = 1.0


async def patiently(
    action: Callable[[], Awaitable[None]],
    life: Life,
    logger: Logger,
    *,
    unless_timed_out: bool = False,
) -> None:
    """Repeat until the store is there. Raises Stopping, and whatever else the action raises."""
    pause_s = PAUSE_MIN_S
    while True:
        try:
            return await action()
        except Unavailable as away:
            if unless_timed_out and isinstance(away, TimedOut):
                raise
            logger.warning("waiting for a store", error=str(away), pause_s=pause_s)
        await life.sleep(pause_s)
        pause_s = min(pause_s * 2, PAUSE_MAX_S)
