"""Throwing away what has served its time: sent events, handled ids, answers to old commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from system.kit.errors import Conflict, Stopping, Unavailable
from system.kit.lifespan import Lifespan
from system.kit.logs import Logger
from system.kit.ports.work import UnitOfWorkFactory

EVERY_S = 60.0
ROWS_MAX = 1_000
"""In one transaction, so that no handler waits long for its locks."""

Delete = Callable[[AsyncConnection, datetime, int], Awaitable[int]]
"""Deletes what is older, at most so many rows; how many it was."""


@dataclass(frozen=True, slots=True)
class Rule:
    what: str
    keep_s: float
    delete: Delete


class Purge:
    """Applies the rules once a minute."""

    def __init__(
        self, name: str, rules: Sequence[Rule], *, work: UnitOfWorkFactory, logger: Logger
    ) -> None:
        self.name = name
        self._rules = rules
        self._work = work
        self._logger = logger

    async def run(self, lifespan: Lifespan) -> None:
        with suppress(Stopping):
            while not lifespan.stopping.is_set():
                await lifespan.sleep(EVERY_S)
                try:
                    await self.purge_once(lifespan)
                except (Unavailable, Conflict) as error:
                    self._logger.warning("purged later", error=str(error))

    async def purge_once(self, lifespan: Lifespan) -> None:
        for rule in self._rules:
            deleted = ROWS_MAX
            while deleted == ROWS_MAX and not lifespan.stopping.is_set():
                async with self._work() as unit:
                    before = unit.now.at - timedelta(seconds=rule.keep_s)
                    deleted = await rule.delete(unit.sql, before, ROWS_MAX)
