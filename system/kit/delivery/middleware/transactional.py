"""One transaction around the batch: the inbox rows, the effect and the events, or nothing."""

from __future__ import annotations

from dataclasses import replace

from system.kit import locks
from system.kit.delivery.conflicts import despite_conflicts
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.errors import LockWaitTimeout
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
                except LockWaitTimeout as late:
                    if not batch.single or not batch.waits:
                        raise _LeaveIt(late) from late
                    locked = late.place if isinstance(late, RowLocked) else None
                    raise

            try:
                await despite_conflicts(once, world)
            except _LeaveIt as leave:
                raise leave.reason from None

        return in_one_transaction

    return around


class _LeaveIt(Exception):
    """A lock that is not to be waited for: no conflict to be tried again."""

    def __init__(self, reason: LockWaitTimeout) -> None:
        super().__init__(str(reason))
        self.reason = reason
