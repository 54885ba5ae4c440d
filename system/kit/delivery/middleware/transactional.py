"""One transaction around the batch: the inbox rows, the effect and the events, or nothing."""

from __future__ import annotations

from dataclasses import replace

from system.kit import locks
from system.kit.conflicts import despite_conflicts
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.errors import Conflict, LockWaitTimeout
from system.kit.locks import Place, RowLocked
from system.kit.ports.work import UnitOfWorkFactory
from system.kit.ports.world import World

WHOLE_TRIES = 5
"""A batch meets a locked row so often before it is halved: a second, `locks.PATIENCE_S` each."""


def transactional(
    work: UnitOfWorkFactory, world: World, whole_tries: int = WHOLE_TRIES
) -> Middleware:
    """A conflict rolls back everything and tries again at once; past 20 it is a failure.

    Whoever meets a locked row waits for it in a transaction that holds nothing else. A larger batch
    does so for a second, and then goes back to `bisected`, so that the others need not wait for it. To
    halve it at once would be dear just when all is slow: lanes that want the same row lock each other
    out, and a hundred transactions lock it longer than one.
    """

    def around(step: Step) -> Step:
        async def in_one_transaction(batch: Batch) -> None:
            waits_here = batch.single and batch.waits
            tries_left = whole_tries if batch.waits else 0
            locked: Place | None = None

            async def once() -> None:
                nonlocal locked
                if locked is not None:
                    async with work() as unit:
                        await locks.wait_for(unit, locked, briefly=not batch.single)
                    locked = None
                try:
                    async with work() as unit:
                        unit.waits = batch.waits
                        await step(replace(batch, work=unit))
                except RowLocked as late:
                    locked = late.place
                    raise

            def is_for_others(conflict: Conflict) -> bool:
                nonlocal tries_left
                if waits_here or not isinstance(conflict, LockWaitTimeout):
                    return False
                tries_left -= 1
                return tries_left < 0 or not isinstance(conflict, RowLocked)

            await despite_conflicts(once, world, unless=is_for_others)

        return in_one_transaction

    return around
