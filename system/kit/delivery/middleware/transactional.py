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


def transactional(work: UnitOfWorkFactory, world: World) -> Middleware:
    """A conflict rolls back everything and tries again at once; past 20 it is a failure.

    A single message whose row is locked waits for it in a transaction that holds nothing else.
    A larger batch goes back to `bisected`, so that the others need not wait for it.
    """

    def around(step: Step) -> Step:
        async def in_one_transaction(batch: Batch) -> None:
            waits_here = batch.single and batch.waits
            locked: Place | None = None

            async def once() -> None:
                nonlocal locked
                if locked is not None:
                    async with work() as unit:
                        await locks.wait_for(unit, locked)
                    locked = None
                try:
                    async with work() as unit:
                        unit.waits = batch.waits
                        await step(replace(batch, work=unit))
                except RowLocked as late:
                    locked = late.place
                    raise

            def is_for_others(conflict: Conflict) -> bool:
                return isinstance(conflict, LockWaitTimeout) and not waits_here

            await despite_conflicts(once, world, unless=is_for_others)

        return in_one_transaction

    return around
