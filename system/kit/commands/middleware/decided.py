"""Decide what a COMMIT without an answer has done: all of it, or nothing."""

from __future__ import annotations

import asyncio

from system.kit.commands import idempotency
from system.kit.commands.batch import Batch, Middleware, Step
from system.kit.errors import Conflict, OutcomeUnknown, Unavailable, UniqueViolation
from system.kit.ports.work import UnitOfWorkFactory
from system.kit.ports.world import World


def decided(work: UnitOfWorkFactory, world: World) -> Middleware:
    """Trying again blindly would do a hundred payments twice. The transaction's marker decides.

    1. The batch commits, with its marker. The connection breaks before the answer.
    2. The same marker is inserted by another transaction. It waits for a ghost of the first one.
    3. A duplicate: all was done, and the outcomes hold. None: nothing was done, and all begins anew.
    """

    def around(step: Step) -> Step:
        async def deciding(batch: Batch) -> None:
            while True:
                batch.commit_marker = idempotency.commit_marker(world.new_id())
                try:
                    return await step(batch)
                except OutcomeUnknown:
                    if not batch.members:  # all were refused meanwhile: how it ended is no matter
                        return None
                    if await is_done(work, batch.commit_marker, batch.answer_by):
                        return None
                    batch.rest()

        return deciding

    return around


async def is_done(work: UnitOfWorkFactory, commit_marker: str, deadline: float) -> bool:
    """Whether the transaction that left this marker was committed. Raises OutcomeUnknown."""
    pause_s = 0.05
    try:
        async with asyncio.timeout_at(deadline):
            while True:
                try:
                    async with work() as unit:
                        await idempotency.claim(unit, commit_marker, {})
                        raise _Absent
                except UniqueViolation:
                    return True
                except _Absent:
                    return False
                except (Conflict, Unavailable):
                    await asyncio.sleep(pause_s)
                    pause_s = min(pause_s * 2, 0.5)
    except TimeoutError:
        raise OutcomeUnknown("whether the command was done is not known") from None


class _Absent(Exception):
    """The marker was not there; leaving the transaction by this rolls its insert back."""
