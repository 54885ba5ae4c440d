"""Commands: requests that change something, each wholly done or not at all.

`each` gives every command a transaction of its own. `shared` lets commands that wait while a
transaction is in flight share the next one: on the hot path one commit then serves a hundred
of them, with the same durability. Both put a batch through the same chain, `chains.command_chain`.

    1. A's transaction is in flight. B, C and D come, and wait.
    2. A commits. B, C and D share one transaction. E comes, and waits.
    3. C is refused, alone. One COMMIT, and B and D are answered. E's transaction begins.

No member suffers for its neighbours:

- Refused: a member alone rolls back; among neighbours it has changed nothing, and its key is let go.
- A row is locked by another transaction, be it a key of 1 or an account of 3: the members that need
  it leave the transaction and wait in a line of that row's own, the others go on.
- Failed before COMMIT was sent: the members go on one by one, unless the store is away.
- COMMIT's answer lost: `middleware/decided.py` looks whether it was done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, nullcontext
from contextvars import Context, copy_context
from typing import Any, TypeVar

from system.kit import locks
from system.kit.commands.batch import (
    MEMBERS_MAX,
    OTHERS,
    Batch,
    Left,
    Line,
    Member,
    Middleware,
    Step,
    now,
)
from system.kit.commands.command import Act, ActOnAll, Answer, Command, Outcome
from system.kit.commands.middleware.acted import acted
from system.kit.errors import (
    Conflict,
    LockWaitTimeout,
    Overloaded,
    Refused,
    RequestInProgress,
    StoreUnavailable,
    Unavailable,
)
from system.kit.locks import Place, RowLocked
from system.kit.ports.work import UnitOfWork, UnitOfWorkFactory
from system.kit.steps import chain

QUEUE_MAX = 1_000
"""Of those that wait for a transaction, and as many that wait for locked rows."""
GATHER_S = 0.001
"""If no command has come within it, the transaction begins with those that are there."""
APART_AT_ONCE = 8
"""Of those that do not share the next transaction: they take few of the pool's connections."""
KEY_WAIT_S = 3.0
"""How long a command waits for another one with its key."""

C = TypeVar("C", bound=Command)
T = TypeVar("T")
Run = Callable[[C], Coroutine[Any, Any, Answer]]


class Commands:
    """Runs an API's commands on the write model."""

    def __init__(self, work: UnitOfWorkFactory, around: Sequence[Middleware]) -> None:
        self._work = work
        self._around = around
        self._context = copy_context()
        """The role's own: what is done for many commands runs in it, and in the name of none."""
        self._tasks: set[asyncio.Task[Any]] = set()  # kept, or they could be collected
        self._turns: dict[str | int, asyncio.Event] = {}
        """What is in hand; each is set when the next one may have its turn."""
        self._few = asyncio.Semaphore(APART_AT_ONCE)

    def each(self, act: Act[C]) -> Run[C]:
        """One transaction per command. Those about one thing take turns.

        They would wait for each other in the database anyway; here a locked row keeps one
        connection waiting, not all of the pool.
        """

        async def act_on_one(commands: Sequence[C], unit: UnitOfWork) -> Sequence[Answer]:
            return [await act(commands[0], unit)]

        step = chain(self._around, acted(act_on_one))

        async def run(member: Member) -> Answer:
            if member.command.id == 0:
                await self._settle_alone(member, step)
            else:
                busy = StoreUnavailable(OTHERS)
                async with self._turn(member.command.id, member.deadline, busy):
                    await self._settle_alone(member, step)
            return answer_of(member.outcome.result())

        return self._undisturbed(run)

    def shared(self, act: ActOnAll[C]) -> Run[C]:
        """Commands that wait while a transaction is in flight share the next one."""
        step = chain(self._around, acted(act))
        lines: dict[Place | None, Line] = {}
        shared_by = 0  # so many had the last transaction

        async def flush(line: Line) -> None:
            nonlocal shared_by
            while line.is_waiting:
                if line.place is None:
                    await _gathered(line, shared_by)
                    shared_by = min(len(line), MEMBERS_MAX)
                async with self._few if line.place else nullcontext():
                    left = await _attempt(Batch(line, alone=False), step)
                for member in left.apart:
                    _ = self._task(self._settle_apart(member, step), member.context)
                for member, place in left.locked:
                    join(place, member)
            del lines[line.place]

        def join(place: Place | None, member: Member) -> None:
            if sum(len(line) for line in lines.values() if line.is_like(place)) >= QUEUE_MAX:
                member.settle(Overloaded())
                return
            if place not in lines:
                lines[place] = Line(place)
                _ = self._task(flush(lines[place]), self._context.copy())
            lines[place].append(member)

        async def run(member: Member) -> Answer:
            join(None, member)
            return answer_of(await member.outcome)

        in_turn: Run[C] = self._undisturbed(run)

        async def settled(command: C) -> Answer:
            if command.key is not None:
                return await in_turn(command)
            # Nothing is in hand for it, so it needs no task of its own. A client that leaves takes
            # back what no transaction has yet; what one has goes on, with nobody to answer.
            member = Member(command, now())
            join(None, member)
            return answer_of(await member.outcome)

        return settled

    def _undisturbed(self, run: Callable[[Member], Awaitable[Answer]]) -> Run[C]:
        """Run each command in a task of its own, one at a time of those with the same key.

        A client that leaves, or a deadline, must not cut a COMMIT off. A key is in hand until its
        command is settled, whether or not a client still waits for the answer. Across processes the
        key's row does the same, where it is claimed.
        """

        async def in_turn(command: C) -> Answer:
            member = Member(command, now())
            if member.key is None:
                return await run(member)
            until = min(now() + KEY_WAIT_S, member.deadline)
            async with self._turn(member.key, until, RequestInProgress()):
                return await run(member)

        async def settled(command: C) -> Answer:
            return await asyncio.shield(self._task(in_turn(command)))

        return settled

    @asynccontextmanager
    async def _turn(self, name: str | int, until: float, refusal: Refused) -> AsyncIterator[None]:
        """Have something in hand that no other has. Raises the refusal when it takes too long."""
        while (held := self._turns.get(name)) is not None:
            try:
                async with asyncio.timeout_at(until):
                    await held.wait()
            except TimeoutError:
                raise refusal from None
        done = self._turns[name] = asyncio.Event()
        try:
            yield
        finally:
            del self._turns[name]
            done.set()

    def _task(
        self, work: Coroutine[Any, Any, T], context: Context | None = None
    ) -> asyncio.Task[T]:
        task = asyncio.create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # the client gets it, unless it has left

    async def _settle_apart(self, member: Member, step: Step) -> None:
        async with self._few:
            await self._settle_alone(member, step)

    async def _settle_alone(self, member: Member, step: Step) -> None:
        """Give a member its outcome; raises nothing."""
        line = Line()
        line.append(member)
        while line.is_waiting:
            left = await _attempt(Batch(line, alone=True), step)
            for _, place in left.locked:
                line.append(member, place)
                await self._wait_for(place, member)

    async def _wait_for(self, place: Place, member: Member) -> None:
        """Wait until a row is free, holding nothing meanwhile that others may need."""
        try:
            async with asyncio.timeout_at(member.deadline), self._work() as unit:
                await locks.wait_for(unit, place)
        except (TimeoutError, Conflict):
            return  # past its deadline, or to be tried once more
        except Unavailable as away:
            member.settle(away)


async def _attempt(batch: Batch, step: Step) -> Left:
    """Put a batch through the chain; raises nothing. Members get their outcomes, or are left."""
    try:
        await step(batch)
    except Exception as error:  # noqa: BLE001 - an outcome; the API answers it
        if not batch.members:  # it failed before they joined
            batch.take()
        return _after(error, batch)
    return batch.settle()


def _after(error: Exception, batch: Batch) -> Left:
    """What becomes of the members of a batch that failed. It has changed nothing."""
    match error:
        case RowLocked() if batch.alone:
            return Left(locked=[(member, error.place) for member in batch.members])
        case LockWaitTimeout() if not batch.alone:  # not every member needs the row
            return Left(apart=batch.members)
        case Conflict():  # too many of them
            return batch.settle_all(StoreUnavailable(OTHERS))
        case Unavailable() | Refused():
            return batch.settle_all(error)
        case _ if batch.alone:
            return batch.settle_all(error)
        case _:  # not every member breaks it
            return Left(apart=batch.members)


async def _gathered(line: Line, shared_by: int) -> None:
    """Wait as long as clients that shared the last transaction come back: they share the next.

    64 clients are answered at once, and ask again one by one. Without this the next transaction
    takes the first few, the others wait for it, and then for their own. A client that was alone
    waits for no other.
    """
    there = 0
    while there < len(line) < shared_by:
        there = len(line)
        await asyncio.sleep(GATHER_S)


def answer_of(outcome: Outcome) -> Answer:
    if isinstance(outcome, Answer):
        return outcome
    raise outcome
