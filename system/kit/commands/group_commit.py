"""Commands: requests that change something, each wholly done or not at all.

`each` gives every request a transaction of its own. `shared` lets requests that wait while a
transaction is in flight share the next one: on the hot path one commit then serves a hundred
of them, with the same durability. Both are the same protocol, for one member or for many:

1. Look up the answers that the members' Idempotency-Keys have already.
2. Claim the other keys, and leave a mark. 3. Act. 4. Keep the answers. 5. COMMIT.

No member suffers for its neighbours:

- Refused in 3: a member alone rolls back; among neighbours it has changed nothing, and its key
  is let go.
- A row is locked by somebody else, be it a key of 1 or an account of 3: the members that need it
  leave the transaction and wait in a line of that row's own, the others go on.
- Failed before COMMIT was sent: `_THEN` says for each kind of error whether all is repeated, the
  members go on one by one, or are refused.
- COMMIT's answer lost: trying again would double a hundred payments. The mark decides, looked up
  by an insert that waits for a ghost of the first transaction: there, or not there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, nullcontext
from contextvars import Context, copy_context
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeVar

from system.kit import locks
from system.kit.commands import idempotency
from system.kit.errors import (
    CONFLICTS_MAX,
    JITTER_S,
    Conflict,
    DomainError,
    Fault,
    KeyReused,
    LockWaitTimeout,
    OutcomeUnknown,
    Overloaded,
    Refused,
    RequestInProgress,
    StoreUnavailable,
    Unavailable,
    UniqueViolation,
)
from system.kit.http.headers import IDEMPOTENCY_KEY
from system.kit.http.route import Answer, Request
from system.kit.locks import Place, RowLocked
from system.kit.ports.work import UnitOfWork, UnitOfWorkFactory
from system.kit.ports.world import World

MEMBERS_MAX = 100
QUEUE_MAX = 1_000
"""Of those that wait for a transaction, and as many that wait for locked rows."""
PATIENCE_S = 4.0
"""Nobody waits longer, for whatever it may be, and no attempt starts later after it."""
SETTLE_S = 4.0
"""So long after that what was begun may take, COMMIT's answer included."""
GATHER_S = 0.001
"""If nobody has come within it, the transaction begins with those who are there."""
APART_AT_ONCE = 8
"""Of those that do not share the next transaction: they take few of the pool's connections."""
KEY_WAIT_S = 3.0
"""How long a request waits for another one with its Idempotency-Key."""
OTHERS = "Others change the same thing."

T = TypeVar("T")
Outcome = Answer | Exception
Act = Callable[[Request, UnitOfWork], Awaitable[Answer]]
ActOnAll = Callable[
    [Sequence[Request], UnitOfWork], Awaitable[Sequence[Answer | DomainError | RowLocked]]
]
Run = Callable[[Request], Coroutine[Any, Any, Answer]]


class _Then(Enum):
    """What follows from an error of a transaction."""

    LOOK_UP = auto()
    """All of it has happened, or nothing: the mark tells which."""
    AGAIN = auto()
    """Nothing has happened. Repeat it with all its members."""
    APART = auto()
    """Nothing has happened. Each member goes on in a transaction of its own."""
    WAIT = auto()
    """Nothing has happened. Repeat it when the row is free."""
    REFUSE = auto()
    """Nothing has happened. The error is every member's outcome."""


_THEN: Sequence[tuple[type[Exception], _Then, _Then]] = (
    # kind of error    among several   of one alone
    (OutcomeUnknown, _Then.LOOK_UP, _Then.LOOK_UP),
    (RowLocked, _Then.APART, _Then.WAIT),
    (LockWaitTimeout, _Then.APART, _Then.AGAIN),  # not every member needs the row
    (Conflict, _Then.AGAIN, _Then.AGAIN),
    (Unavailable, _Then.REFUSE, _Then.REFUSE),
    (Refused, _Then.REFUSE, _Then.REFUSE),
    (Exception, _Then.APART, _Then.REFUSE),  # not every member breaks it
)
"""The first kind that fits counts."""


def _then(error: Exception, *, alone: bool) -> _Then:
    return next(
        one if alone else several for kind, several, one in _THEN if isinstance(error, kind)
    )


class Commands:
    """Runs an API's commands on the write model."""

    def __init__(self, work: UnitOfWorkFactory, world: World) -> None:
        self._work = work
        self._world = world
        self._context = copy_context()
        """The role's own: what is done for many requests runs in it, and in the name of none."""
        self._tasks: set[asyncio.Task[Any]] = set()  # kept, or they could be collected
        self._turns: dict[str | int, asyncio.Event] = {}
        """What is in hand; each is set when the next one may have its turn."""
        self._few = asyncio.Semaphore(APART_AT_ONCE)

    def each(self, act: Act) -> Run:
        """One transaction per request. Those to one resource take turns.

        They would wait for each other in the database anyway; here a locked row keeps one
        connection waiting, not all of the pool.
        """

        async def act_on_one(requests: Sequence[Request], unit: UnitOfWork) -> Sequence[Answer]:
            return [await act(requests[0], unit)]

        async def run(member: _Member) -> Answer:
            if member.request.id == 0:
                await self._settle_alone(member, act_on_one)
            else:
                busy = StoreUnavailable(OTHERS)
                async with self._turn(member.request.id, member.deadline, busy):
                    await self._settle_alone(member, act_on_one)
            return _given(member.outcome.result())

        return self._undisturbed(run)

    def shared(self, act: ActOnAll) -> Run:
        """Requests that wait while a transaction is in flight share the next one."""
        lines: dict[Place | None, _Line] = {}
        shared_by = 0  # so many had the last transaction

        async def flush(line: _Line) -> None:
            nonlocal shared_by
            while line.is_waiting:
                if line.place is None:
                    await _gathered(line, shared_by)
                    shared_by = min(len(line), MEMBERS_MAX)
                async with self._few if line.place else nullcontext():
                    left = await self._attempt(line, act)
                line.put_back(left.again)
                for member in left.apart:
                    _ = self._task(self._settle_apart(member, act), member.context)
                for member, place in left.locked:
                    join(place, member)
            del lines[line.place]

        def join(place: Place | None, member: _Member) -> None:
            if sum(len(line) for line in lines.values() if line.is_like(place)) >= QUEUE_MAX:
                member.settle(Overloaded())
                return
            if place not in lines:
                lines[place] = _Line(place)
                _ = self._task(flush(lines[place]), self._context.copy())
            lines[place].append(member)

        async def run(member: _Member) -> Answer:
            join(None, member)
            return _given(await member.outcome)

        return self._undisturbed(run)

    def _undisturbed(self, run: Callable[[_Member], Awaitable[Answer]]) -> Run:
        """Run each request in a task of its own, one at a time of those with the same key.

        A client that leaves, or a deadline, must not cut a COMMIT off. A key is in hand until its
        request is settled, whoever still waits for the answer. Across processes the key's row does
        the same, where it is claimed.
        """

        async def in_turn(request: Request) -> Answer:
            member = _Member(request, _now())
            key = idempotency.key_id(request)
            if key is None:
                return await run(member)
            until = min(_now() + KEY_WAIT_S, member.deadline)
            async with self._turn(key, until, RequestInProgress()):
                return await run(member)

        async def settled(request: Request) -> Answer:
            return await asyncio.shield(self._task(in_turn(request)))

        return settled

    @asynccontextmanager
    async def _turn(self, name: str | int, until: float, refusal: Refused) -> AsyncIterator[None]:
        """Have something in hand that nobody else has. Raises the refusal when it takes too long."""
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
            task.exception()  # told to whoever waits; a client that has left is told nothing

    async def _settle_apart(self, member: _Member, act: ActOnAll) -> None:
        async with self._few:
            await self._settle_alone(member, act)

    async def _settle_alone(self, member: _Member, act: ActOnAll) -> None:
        """Give a member its outcome; raises nothing."""
        line = _Line()
        line.append(member)
        while line.is_waiting:
            left = await self._attempt(line, act, alone=True)
            line.put_back(left.again)
            for _, place in left.locked:
                line.append(member, place)
                await self._wait_for(place, member)

    async def _wait_for(self, place: Place, member: _Member) -> None:
        """Wait until a row is free, holding nothing meanwhile that others may need."""
        try:
            async with asyncio.timeout_at(member.deadline), self._work() as unit:
                await locks.wait_for(unit, place)
        except (TimeoutError, Conflict):
            return  # past its deadline, or to be tried once more
        except Unavailable as away:
            member.settle(away)

    async def _attempt(self, line: _Line, act: ActOnAll, *, alone: bool = False) -> _Left:
        """Try one transaction with the next members of a line; raises nothing.

        Members get their outcomes. What is left over has changed nothing.
        """
        attempt = _Attempt(idempotency.mark_id(self._world.new_id()))
        try:
            await self._transact(attempt, line, act)
        except Exception as error:  # noqa: BLE001 - an outcome; the web rooms answer it
            attempt.members = attempt.members or line.take()  # had it failed before they joined
            if not attempt.members:  # all were refused meanwhile: how it ended is no matter
                return _Left()
            return await self._after(error, attempt, alone=alone)
        return attempt.settle()

    async def _transact(self, attempt: _Attempt, line: _Line, act: ActOnAll) -> None:
        """Everything up to COMMIT's answer, and THE ONE PLACE that holds it to the deadlines.

        Members leave the line when the transaction is open and the line's row is free: until
        then each is refused at its own deadline, and nobody has to be cut off for it.
        """
        try:
            async with asyncio.timeout(None) as bound, self._work() as unit:
                if line.place is not None:
                    await locks.wait_for(unit, line.place)
                attempt.members = line.take()
                if not attempt.members:
                    return
                bound.reschedule(attempt.answer_by)
                await attempt.run(act, unit)
        except TimeoutError:
            if not bound.expired():  # somebody else's, and unexpected
                raise
            if attempt.is_complete:
                raise OutcomeUnknown("COMMIT was not answered in time") from None
            raise StoreUnavailable from None

    async def _after(self, error: Exception, attempt: _Attempt, *, alone: bool) -> _Left:
        """Do what the table says."""
        match _then(error, alone=alone):
            case _Then.LOOK_UP:
                try:
                    done = await self._is_done(attempt.mark, attempt.answer_by)
                except OutcomeUnknown as unknown:
                    return attempt.settle_all(unknown)
                return attempt.settle() if done else _Left(again=attempt.members)
            case _Then.AGAIN:
                for member in attempt.members:
                    member.meet_conflict()
                await asyncio.sleep(self._world.random.uniform(*JITTER_S))
                return _Left(again=attempt.members)
            case _Then.APART:
                return _Left(apart=attempt.members)
            case _Then.WAIT:
                assert isinstance(error, RowLocked), "the table says so"
                return _Left(locked=[(member, error.place) for member in attempt.members])
            case _Then.REFUSE:
                return attempt.settle_all(error)

    async def _is_done(self, mark: str, deadline: float) -> bool:
        """Whether the transaction that left this mark was committed. Raises OutcomeUnknown."""
        pause_s = 0.05
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    try:
                        async with self._work() as unit:
                            await idempotency.claim(unit, mark, {})
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
    """The mark was not there; leaving the transaction by this rolls its insert back."""


class _Member:
    """A request that waits for its outcome."""

    def __init__(self, request: Request, began: float) -> None:
        loop = asyncio.get_running_loop()
        self.request = request
        self.deadline = deadline = _part_of(PATIENCE_S, began, request.deadline)
        """It waits no longer than this, and no attempt with it starts later."""
        self.answer_by = _part_of(SETTLE_S, deadline, request.deadline)
        """Whatever has begun with it by then ends here."""
        self.outcome: asyncio.Future[Outcome] = loop.create_future()
        self.context = copy_context()
        """In which it is settled when it is settled alone."""
        self._timer = loop.call_at(deadline, self._expire)
        self._refusal: Refused | None = None
        """What it is told at its deadline; None while a transaction has it in hand."""
        self._conflicts = 0
        self._detail: str | None = None

    def wait(self, place: Place | None = None) -> None:
        """Nobody acts on it until it is taken."""
        if place is not None and place.table == idempotency.commands.name:
            self._refusal = RequestInProgress()
        else:
            self._refusal = StoreUnavailable(OTHERS if place else self._detail)
        if self._conflicts > CONFLICTS_MAX or self.deadline <= _now():
            self._expire()

    def take(self) -> None:
        """Act on it: its deadline alone no longer ends it."""
        self._refusal = None

    def meet_conflict(self) -> None:
        self._conflicts += 1
        self._detail = OTHERS

    def settle(self, outcome: Outcome) -> None:
        self._timer.cancel()
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def _expire(self) -> None:
        if self._refusal is not None:
            self.settle(self._refusal)


class _Line:
    """Members that wait for a transaction; perhaps first for a row that somebody else has locked."""

    def __init__(self, place: Place | None = None) -> None:
        self.place = place
        self._members: deque[_Member] = deque()

    def __len__(self) -> int:
        return len(self._members)

    @property
    def is_waiting(self) -> bool:
        """Whether anybody is left in it who has not been refused meanwhile."""
        while self._members and self._members[0].outcome.done():
            self._members.popleft()
        return bool(self._members)

    def is_like(self, place: Place | None) -> bool:
        """Whether it is, as one for this place would be, the main line, or one of a row."""
        return (self.place is None) == (place is None)

    def append(self, member: _Member, place: Place | None = None) -> None:
        member.wait(place or self.place)
        self._members.append(member)

    def put_back(self, members: Sequence[_Member]) -> None:
        """To where they came from: before all others."""
        for member in members:
            member.wait(self.place)
        self._members.extendleft(reversed(members))

    def take(self) -> list[_Member]:
        """The members of the next transaction."""
        members: list[_Member] = []
        while self._members and len(members) < MEMBERS_MAX:
            member = self._members.popleft()
            if not member.outcome.done():
                member.take()
                members.append(member)
        return members


async def _gathered(line: _Line, shared_by: int) -> None:
    """Wait as long as clients that shared the last transaction come back: they share the next.

    64 clients are answered at once, and ask again one by one. Without this the next transaction
    takes the first few, the others wait for it, and then for their own. A client that was alone
    waits for nobody.
    """
    there = 0
    while there < len(line) < shared_by:
        there = len(line)
        await asyncio.sleep(GATHER_S)


@dataclass(frozen=True, slots=True)
class _Left:
    """Members without an outcome yet."""

    again: Sequence[_Member] = ()
    apart: Sequence[_Member] = ()
    locked: Sequence[tuple[_Member, Place]] = ()
    """With the row that each needs."""


class _Attempt:
    """One attempt to run commands in one transaction, and what came of each."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.members: list[_Member] = []
        self.is_complete = False
        """Whether there is nothing left to do but COMMIT."""
        self._keys: list[str | None] = []
        self._outcomes: list[Outcome | None] = []

    @property
    def answer_by(self) -> float:
        """When its outcome is known, or said to be unknown."""
        return min(member.answer_by for member in self.members)

    def settle(self) -> _Left:
        """Give each member its outcome, but for those whose rows are locked."""
        locked = []
        for member, outcome in zip(self.members, self._outcomes, strict=True):
            if isinstance(outcome, RowLocked):
                locked.append((member, outcome.place))
            elif outcome is not None:
                member.settle(outcome)
        return _Left(locked=locked)

    def settle_all(self, outcome: Outcome) -> _Left:
        for member in self.members:
            member.settle(outcome)
        return _Left()

    async def run(self, act: ActOnAll, unit: UnitOfWork) -> None:
        self._keys = [idempotency.key_id(member.request) for member in self.members]
        self._outcomes = [None] * len(self.members)
        await self._repeat_answers(unit)
        fresh = [number for number, outcome in enumerate(self._outcomes) if outcome is None]
        if fresh:
            await self._claim(unit, fresh)
            results = await act([self.members[number].request for number in fresh], unit)
            for number, result in zip(fresh, results, strict=True):
                self._outcomes[number] = result
            await self._keep(unit, fresh)
        self.is_complete = True

    async def _repeat_answers(self, unit: UnitOfWork) -> None:
        keys = [key for key in self._keys if key is not None]
        stored, locked = await idempotency.answers(unit, keys)
        for number, key in enumerate(self._keys):
            if key in locked:
                self._outcomes[number] = RowLocked(locked[key])
            elif key in stored:
                request = self.members[number].request
                same = stored[key].body_hash == idempotency.body_hash(request)
                self._outcomes[number] = stored[key].answer if same else _key_reused()

    async def _claim(self, unit: UnitOfWork, fresh: Sequence[int]) -> None:
        keys = {
            key: idempotency.body_hash(self.members[number].request)
            for number in fresh
            if (key := self._keys[number]) is not None
        }
        try:
            await idempotency.claim(unit, self.mark, keys)
        except LockWaitTimeout:
            if keys and len(self.members) == 1:
                raise RequestInProgress from None
            raise

    async def _keep(self, unit: UnitOfWork, fresh: Sequence[int]) -> None:
        answered, refused = {}, []
        for number in fresh:
            outcome, key = self._outcomes[number], self._keys[number]
            if key is None:
                continue
            if isinstance(outcome, Answer):
                answered[key] = outcome
            else:
                refused.append(key)
        await idempotency.keep(unit, answered)
        await idempotency.let_go(unit, refused)


def _part_of(seconds: float, since: float, until: float) -> float:
    """So many seconds from then on, and no more than half of the time that there is."""
    return min(since + seconds, (since + until) / 2)


def _key_reused() -> Refused:
    place = f"header/{IDEMPOTENCY_KEY}"
    return KeyReused(errors=[Fault(place, "came with another body before")])


def _given(outcome: Outcome) -> Answer:
    if isinstance(outcome, Answer):
        return outcome
    raise outcome


def _now() -> float:
    return asyncio.get_running_loop().time()
