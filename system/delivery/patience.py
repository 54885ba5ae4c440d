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
    hint: str | None = None,
) -> None:
    """Repeat until the store is there. Raises Stopping, and whatever else the action raises.

    There is a line for each pause that is longer than those before, the first with the hint; then
    it is quiet until the store is back.
    """
    pause_s, told_s = PAUSE_MIN_S, 0.0
    while True:
        try:
            await action()
        except Unavailable as away:
            if unless_timed_out and isinstance(away, TimedOut):
                raise
            if pause_s > told_s:
                more = {"hint": hint} if hint and not told_s else {}
                logger.warning("waiting for a store", error=str(away), pause_s=pause_s, **more)
                told_s = pause_s
        else:
            if told_s:
                logger.info("the store is there")
            return
        await life.sleep(pause_s)
        pause_s = min(pause_s * 2, PAUSE_MAX_S)
