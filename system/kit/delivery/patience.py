"""Waiting for a store that is away: for as long as it lasts, never counted as an attempt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from system.kit.errors import TimedOut, Unavailable
from system.kit.lifespan import Lifespan
from system.kit.logs import Logger

PAUSE_MIN_S = 0.05
PAUSE_MAX_S = 1.0


class Outage:
    """Logs that something is away when that begins, and when it is over: not each try between."""

    def __init__(self, logger: Logger, message: str, **facts: str) -> None:
        self._logger = logger
        self._message = message
        self._facts = facts
        self._began_s: float | None = None

    def goes_on(self, error: Exception) -> None:
        if self._began_s is None:
            self._began_s = asyncio.get_running_loop().time()
            self._logger.warning(self._message, error=str(error), **self._facts)

    def is_over(self) -> None:
        if self._began_s is not None:
            lasted_s = round(asyncio.get_running_loop().time() - self._began_s, 3)
            self._began_s = None
            self._logger.info("over", what=self._message, lasted_s=lasted_s, **self._facts)


async def patiently(
    action: Callable[[], Awaitable[None]],
    lifespan: Lifespan,
    logger: Logger,
    *,
    unless_timed_out: bool = False,
    **facts: str,
) -> None:
    """Repeat until the store is there. Raises Stopping, and whatever else the action raises.

    The facts are logged with the wait: what a reader may do about it.
    """
    pause_s = PAUSE_MIN_S
    outage = Outage(logger, "waiting for a store", **facts)
    while True:
        try:
            await action()
        except Unavailable as away:
            if unless_timed_out and isinstance(away, TimedOut):
                raise
            outage.goes_on(away)
        else:
            return outage.is_over()
        await lifespan.sleep(pause_s)
        pause_s = min(pause_s * 2, PAUSE_MAX_S)
