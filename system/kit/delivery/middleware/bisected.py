"""Halve a batch that failed, so that one bad message never takes the others along."""

from __future__ import annotations

from collections.abc import Sequence

from system.kit.delivery.middleware import Batch, Step
from system.kit.errors import Fenced, LockWaitTimeout, Stopping, TimedOut, Unavailable


def bisected(step: Step) -> Step:
    """A batch shares one transaction, which has rolled back: nothing of it happened.

    No savepoints: they cost two round trips a message, and a deadlock destroys them anyway.

    A row that another transaction has locked is no failure. A batch that has waited for it long enough is
    halved, too, but from then on a message that meets a locked row fails at once. What is left waits when
    all others are done:

        1. a b c d share a transaction; b needs a row that is locked: a second later all of it rolls back
        2. a is done; b fails at once; c and d are done, unless their key is b's
        3. b waits for its row, holding nothing meanwhile that others may need
    """

    async def splitting(batch: Batch) -> None:
        try:
            await step(batch)
        except LockWaitTimeout:
            if batch.single:
                raise
            left = await _all_but_locked(batch, step)
            if left:
                await step(batch.only(left[:1]))
            if left[1:]:
                await splitting(batch.only(left[1:]))
        except Exception as error:
            if not _is_divisible(batch, error):
                raise
            for half in _halves(range(len(batch.records))):
                await splitting(batch.only(half))

    return splitting


async def _all_but_locked(batch: Batch, step: Step) -> Sequence[int]:
    """Do what needs no locked row; the places in the batch of what is left, in order."""
    left: list[int] = []

    async def do(numbers: Sequence[int]) -> None:
        keys = {batch.records[number].message.key for number in left}
        free = [number for number in numbers if batch.records[number].message.key not in keys]
        left.extend(number for number in numbers if number not in free)
        if not free:
            return
        part = batch.only(free, waits=False)
        try:
            await step(part)
        except Exception as error:
            if _is_divisible(part, error):
                for half in _halves(free):
                    await do(half)
            elif part.single and not isinstance(error, (Fenced, Stopping)):
                left.extend(free)  # locked, or a failure: with the time that it takes, afterwards
            else:
                raise

    for half in _halves(range(len(batch.records))):
        await do(half)
    return sorted(left)


def _halves(numbers: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    middle = len(numbers) // 2
    return numbers[:middle], numbers[middle:]


def _is_divisible(batch: Batch, error: Exception) -> bool:
    """Whether parts of a batch may get on where the whole did not."""
    if batch.single or isinstance(error, (Fenced, Stopping)):
        return False
    return isinstance(error, TimedOut) or not isinstance(error, Unavailable)
