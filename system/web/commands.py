"""Commands: requests that change something, each wholly done or not at all.

`each` gives every request a transaction of its own. `shared` lets requests that wait while a
transaction is in flight share the next one: on the hot path one commit then serves a hundred
orders, with the same durability. Both are the same protocol, for one member or for many:

1. Look up the answers that the members' Idempotency-Keys have already.
2. Claim the other keys, and leave a mark. 3. Act. 4. Keep the answers. 5. COMMIT.

- Refused in 3: a member alone rolls back; among neighbours it has changed nothing, and its key
  is let go.
- Failed before COMMIT was sent: the members are halved, so that none harms its neighbours.
- A key that someone else holds: its members wait for it alone.
- COMMIT's answer lost: trying again would double a hundred orders. The mark decides, looked up
  by an insert that waits for a ghost of the first transaction: there, or not there.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from system.ports.errors import (
    CONFLICTS_MAX,
    JITTER_S,
    BrokenFact,
    Conflict,
    LockWaitTimeout,
    OutcomeUnknown,
    StoreBusy,
    Unavailable,
    UniqueViolation,
)
from system.ports.work import UnitOfWork, Work
from system.ports.world import World
from system.web import idempotency
from system.web.headers import IDEMPOTENCY_KEY
from system.web.problems import Fault, Refused
from system.web.route import Answer, Request

MEMBERS_MAX = 100
QUEUE_MAX = 1_000
PATIENCE_S = 4.0
"""Nobody waits longer in the queue, and no attempt starts later after it."""
KEYED_AT_ONCE = 5
"""Of those whose key may be held elsewhere, so that they take few of the pool's connections."""
KEY_WAIT_S = 3.0
"""How long a request waits for another one with its Idempotency-Key."""

T = TypeVar("T")
Outcome = Answer | Exception
Act = Callable[[Request, UnitOfWork], Awaitable[Answer]]
ActOnAll = Callable[[Sequence[Request], UnitOfWork], Awaitable[Sequence[Answer | BrokenFact]]]
Run = Callable[[Request], Coroutine[Any, Any, Answer]]


class Commands:
    """Runs an API's commands on the write model."""

    def __init__(self, work: Work, world: World) -> None:
        self._work = work
        self._world = world
        self._tasks: set[asyncio.Task[Any]] = set()  # kept, or they could be collected
        self._keys: dict[str, asyncio.Event] = {}
        """The Idempotency-Keys in hand; each is set when the next one may have its turn."""
        self._few = asyncio.Semaphore(KEYED_AT_ONCE)

    def each(self, act: Act) -> Run:
        """One transaction per request."""

        async def act_on_one(requests: Sequence[Request], unit: UnitOfWork) -> Sequence[Answer]:
            return [await act(requests[0], unit)]

        async def run(request: Request) -> Answer:
            member = _Member(request, _now() + PATIENCE_S)
            await self._settle([member], act_on_one, member.deadline)
            return _given(member.outcome.result())

        return self._undisturbed(run)

    def shared(self, act: ActOnAll) -> Run:
        """Requests that wait while a transaction is in flight share the next one."""
        queue: deque[_Member] = deque()
        flushing: asyncio.Task[None] | None = None

        async def flush() -> None:
            while members := _next_members(queue):
                await self._settle(members, act, _now() + PATIENCE_S)

        async def run(request: Request) -> Answer:
            nonlocal flushing
            if len(queue) >= QUEUE_MAX:
                raise Refused("overloaded")
            member = _Member(request, _now() + PATIENCE_S)
            queue.append(member)
            if flushing is None or flushing.done():
                flushing = self._task(flush())
            return _given(await member.outcome)

        return self._undisturbed(run)

    def _undisturbed(self, run: Run) -> Run:
        """Run each request in a task of its own, one at a time of those with the same key.

        A client that leaves, or a deadline, must not cut a COMMIT off. A key is in hand until its
        request is settled, whoever still waits for the answer. Across processes the key's row does
        the same, where it is claimed.
        """

        async def settled(request: Request) -> Answer:
            key = idempotency.key_id(request)
            if key is None:
                return await asyncio.shield(self._task(run(request)))
            await self._turn(key)
            done = self._keys[key] = asyncio.Event()
            running = self._task(run(request))

            def free(_: asyncio.Task[Answer]) -> None:
                del self._keys[key]
                done.set()

            running.add_done_callback(free)
            return await asyncio.shield(running)

        return settled

    async def _turn(self, key: str) -> None:
        """Wait until no request with this key is in hand."""
        deadline = _now() + KEY_WAIT_S
        while (held := self._keys.get(key)) is not None:
            try:
                async with asyncio.timeout_at(deadline):
                    await held.wait()
            except TimeoutError:
                raise Refused("request-in-progress") from None

    def _task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever waits; a client that has left is told nothing

    async def _settle(self, members: Sequence[_Member], act: ActOnAll, deadline: float) -> None:
        """Give each member its outcome; raises nothing."""
        try:
            outcomes = await self._transact([member.request for member in members], act, deadline)
        except _KeyHeld:
            await self._settle_apart(members, act, deadline)
            return
        except (Unavailable, Refused) as error:
            outcomes = [error] * len(members)
        except Exception as error:  # noqa: BLE001 - an outcome; the web rooms answer it
            if len(members) > 1:
                middle = len(members) // 2
                await self._settle(members[:middle], act, deadline)
                await self._settle(members[middle:], act, deadline)
                return
            outcomes = [error]
        for member, outcome in zip(members, outcomes, strict=True):
            member.outcome.set_result(outcome)

    async def _settle_apart(
        self, members: Sequence[_Member], act: ActOnAll, deadline: float
    ) -> None:
        """Those without a key together, now; those with one each by itself, holding up nobody."""
        for member in members:
            if member.request.idempotency_key is not None:
                _ = self._task(self._settle_alone(member, act, deadline))
        keyless = [member for member in members if member.request.idempotency_key is None]
        if keyless:
            await self._settle(keyless, act, deadline)

    async def _settle_alone(self, member: _Member, act: ActOnAll, deadline: float) -> None:
        async with self._few:
            await self._settle([member], act, deadline)

    async def _transact(
        self, requests: Sequence[Request], act: ActOnAll, deadline: float
    ) -> list[Outcome]:
        conflicts = 0
        while True:
            mark = idempotency.mark_id(self._world.new_id())
            attempt = _Attempt(mark, requests)
            try:
                async with self._work() as unit:
                    await attempt.run(act, unit)
                return attempt.outcomes
            except OutcomeUnknown:
                if await self._is_done(mark, deadline):
                    return attempt.outcomes
            except Conflict:
                conflicts += 1
                if conflicts > CONFLICTS_MAX or _now() > deadline:
                    raise Refused("unavailable", "Others change the same thing.") from None
                await asyncio.sleep(self._world.random.uniform(*JITTER_S))
            if _now() > deadline:
                raise Refused("unavailable")

    async def _is_done(self, mark: str, deadline: float) -> bool:
        """Whether the transaction that left this mark was committed. Raises OutcomeUnknown."""
        pause_s = 0.05
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
                if _now() > deadline:
                    raise OutcomeUnknown("whether the command was done is not known") from None
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, 0.5)


class _KeyHeld(Exception):
    """Another process's request holds the Idempotency-Key of one of these."""


class _Absent(Exception):
    """The mark was not there; leaving the transaction by this rolls its insert back."""


class _Member:
    """A request that waits for its outcome."""

    def __init__(self, request: Request, deadline: float) -> None:
        self.request = request
        self.deadline = deadline
        """It stays in the queue no longer than this."""
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()


class _Attempt:
    """One attempt to run commands in one transaction, and what came of each."""

    def __init__(self, mark: str, requests: Sequence[Request]) -> None:
        self._mark = mark
        self._requests = requests
        self._keys = [idempotency.key_id(request) for request in requests]
        self._outcomes: list[Outcome | None] = [None] * len(requests)

    @property
    def outcomes(self) -> list[Outcome]:
        return [outcome for outcome in self._outcomes if outcome is not None]

    async def run(self, act: ActOnAll, unit: UnitOfWork) -> None:
        await self._repeat_answers(unit)
        fresh = [number for number, outcome in enumerate(self._outcomes) if outcome is None]
        if not fresh:
            return
        await self._claim(unit, fresh)
        results = await act([self._requests[number] for number in fresh], unit)
        for number, result in zip(fresh, results, strict=True):
            self._outcomes[number] = result
        await self._keep(unit, fresh)

    async def _repeat_answers(self, unit: UnitOfWork) -> None:
        stored = await idempotency.answers(unit, [key for key in self._keys if key is not None])
        for number, key in enumerate(self._keys):
            if key is None or key not in stored:
                continue
            same = stored[key].body_hash == idempotency.body_hash(self._requests[number])
            self._outcomes[number] = stored[key].answer if same else _key_reused()

    async def _claim(self, unit: UnitOfWork, fresh: Sequence[int]) -> None:
        keys = {
            key: idempotency.body_hash(self._requests[number])
            for number in fresh
            if (key := self._keys[number]) is not None
        }
        try:
            await idempotency.claim(unit, self._mark, keys)
        except StoreBusy:
            raise
        except LockWaitTimeout:
            if not keys:
                raise
            if len(self._requests) > 1:
                raise _KeyHeld from None
            raise Refused("request-in-progress") from None

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


def _next_members(queue: deque[_Member]) -> list[_Member]:
    """Take the requests of the next transaction.

    Those past their deadline are answered here: certainly not done.
    """
    members: list[_Member] = []
    while queue and len(members) < MEMBERS_MAX:
        member = queue.popleft()
        if member.deadline < _now():
            member.outcome.set_result(Refused("unavailable"))
        else:
            members.append(member)
    return members


def _key_reused() -> Refused:
    place = f"header/{IDEMPOTENCY_KEY}"
    return Refused("key-reused", errors=[Fault(place, "came with another body before")])


def _given(outcome: Outcome) -> Answer:
    if isinstance(outcome, Answer):
        return outcome
    raise outcome


def _now() -> float:
    return asyncio.get_running_loop().time()
