"""One transaction around the batch: keys, effects and events, or nothing."""

from __future__ import annotations

import asyncio

from system.kit import locks
from system.kit.commands.batch import OTHERS, Batch, Middleware, Step
from system.kit.conflicts import despite_conflicts
from system.kit.errors import Conflict, LockWaitTimeout, OutcomeUnknown, StoreUnavailable
from system.kit.locks import RowLocked
from system.kit.ports.work import UnitOfWorkFactory
from system.kit.ports.world import World


def committed(work: UnitOfWorkFactory, world: World) -> Middleware:
    """A conflict rolls back everything and tries again at once; past 20 it is raised.

    A row that another transaction has locked is left to the lines: not every member needs it. THE
    ONE PLACE that holds what has begun to the members' deadlines, up to COMMIT's answer.
    """

    def around(step: Step) -> Step:
        async def in_one_transaction(batch: Batch) -> None:
            async def once() -> None:
                if not batch.is_waiting:
                    return
                try:
                    await _transact(batch, step, work)
                except Conflict:
                    batch.rest(OTHERS)
                    raise

            def is_for_the_lines(conflict: Conflict) -> bool:
                kind = RowLocked if batch.alone else LockWaitTimeout
                return isinstance(conflict, kind)

            await despite_conflicts(once, world, unless=is_for_the_lines)

        return in_one_transaction

    return around


async def _transact(batch: Batch, step: Step, work: UnitOfWorkFactory) -> None:
    only_commit_is_left = False
    try:
        async with asyncio.timeout(None) as bound, work() as unit:
            if batch.line.place is not None:
                await locks.wait_for(unit, batch.line.place)
            if not batch.take():
                return
            bound.reschedule(batch.answer_by)
            batch.unit = unit
            await step(batch)
            only_commit_is_left = True
    except TimeoutError:
        if not bound.expired():  # another's, and unexpected
            raise
        if only_commit_is_left:
            raise OutcomeUnknown("COMMIT was not answered in time") from None
        raise StoreUnavailable from None
