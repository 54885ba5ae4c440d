"""One key, one command, one answer; and the marker of the commit, in the same rows."""

from __future__ import annotations

from collections.abc import Sequence

from system.kit.commands import idempotency
from system.kit.commands.batch import Batch, Member, Step
from system.kit.commands.command import Answer
from system.kit.errors import KeyReused, LockWaitTimeout, RequestInProgress
from system.kit.locks import RowLocked
from system.kit.ports.work import UnitOfWork


def keyed(step: Step) -> Step:
    """Look up the answers that keys have already, and claim the others before anything is done.

    A key that another transaction has in hand keeps its member waiting, and none of the neighbours.
    A member that is refused among neighbours has changed nothing: its key is let go.
    """

    async def once_per_key(batch: Batch) -> None:
        assert batch.unit is not None, "keyed stands inside of committed"
        await _repeat_answers(batch, batch.unit)
        fresh = batch.fresh
        if fresh:
            await _claim(batch, batch.unit, fresh)
            await step(batch)
            await _keep(batch, batch.unit, fresh)

    return once_per_key


async def _repeat_answers(batch: Batch, unit: UnitOfWork) -> None:
    keys = [member.key for member in batch.members if member.key is not None]
    stored, locked = await idempotency.answers(unit, keys)
    for member in batch.members:
        if member.key in locked:
            batch.outcomes[member] = RowLocked(locked[member.key])
        elif member.key in stored:
            known = stored[member.key]
            same = known.fingerprint == member.command.fingerprint
            batch.outcomes[member] = known.answer if same else KeyReused()


async def _claim(batch: Batch, unit: UnitOfWork, fresh: Sequence[Member]) -> None:
    keys = {member.key: member.command.fingerprint for member in fresh if member.key is not None}
    try:
        await idempotency.claim(unit, batch.commit_marker, keys)
    except LockWaitTimeout:
        if keys and len(batch.members) == 1:
            raise RequestInProgress from None
        raise


async def _keep(batch: Batch, unit: UnitOfWork, fresh: Sequence[Member]) -> None:
    answered, refused = {}, []
    for member in fresh:
        outcome = batch.outcomes[member]
        if member.key is None:
            continue
        if isinstance(outcome, Answer):
            answered[member.key] = outcome
        else:
            refused.append(member.key)
    await idempotency.keep(unit, answered)
    await idempotency.let_go(unit, refused)
