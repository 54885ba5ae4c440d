"""Commands that wait, and the batches that they are done in."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass

from system.kit.commands import idempotency
from system.kit.commands.command import Command, Outcome
from system.kit.errors import Refused, RequestInProgress, StoreUnavailable
from system.kit.locks import Place, RowLocked
from system.kit.ports.work import UnitOfWork

MEMBERS_MAX = 100
PATIENCE_S = 4.0
"""No command waits longer, for whatever it may be, and no attempt starts later after it."""
SETTLE_S = 4.0
"""So long after that what was begun may take, COMMIT's answer included."""
OTHERS = "Others change the same thing."


class Member:
    """A command that waits for its outcome."""

    def __init__(self, command: Command, began: float) -> None:
        loop = asyncio.get_running_loop()
        self.command = command
        self.key = command.key
        self.deadline = deadline = _part_of(PATIENCE_S, began, command.deadline)
        """It waits no longer than this, and no attempt with it starts later."""
        self.answer_by = _part_of(SETTLE_S, deadline, command.deadline)
        """Whatever has begun with it by then ends here."""
        self.outcome: asyncio.Future[Outcome] = loop.create_future()
        self.context = copy_context()
        """In which it is settled when it is settled alone."""
        self._timer = loop.call_at(deadline, self._expire)
        self._refusal: Refused | None = None
        """Its outcome at its deadline; None while a transaction has it in hand."""

    def wait(self, place: Place | None = None, *, detail: str | None = None) -> None:
        """No transaction has it in hand until it is taken: at its deadline it is refused."""
        if place is not None and place.table == idempotency.commands.name:
            self._refusal = RequestInProgress()
        else:
            self._refusal = StoreUnavailable(OTHERS if place else detail)
        if self.deadline <= now():
            self._expire()

    def take(self) -> None:
        """Act on it: its deadline alone no longer ends it."""
        self._refusal = None

    def settle(self, outcome: Outcome) -> None:
        self._timer.cancel()
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def _expire(self) -> None:
        if self._refusal is not None:
            self.settle(self._refusal)


class Line:
    """Members that wait for a transaction; perhaps first for a row that another one has locked."""

    def __init__(self, place: Place | None = None) -> None:
        self.place = place
        self._members: deque[Member] = deque()

    def __len__(self) -> int:
        return len(self._members)

    @property
    def is_waiting(self) -> bool:
        """Whether a member is left in it that has not been refused meanwhile."""
        while self._members and self._members[0].outcome.done():
            self._members.popleft()
        return bool(self._members)

    def is_like(self, place: Place | None) -> bool:
        """Whether it is, as one for this place would be, the main line, or one of a row."""
        return (self.place is None) == (place is None)

    def append(self, member: Member, place: Place | None = None) -> None:
        member.wait(place or self.place)
        self._members.append(member)

    def take(self) -> list[Member]:
        """The members of the next transaction."""
        members: list[Member] = []
        while self._members and len(members) < MEMBERS_MAX:
            member = self._members.popleft()
            if not member.outcome.done():
                member.take()
                members.append(member)
        return members


@dataclass(frozen=True, slots=True)
class Left:
    """Members without an outcome yet. They have changed nothing."""

    apart: Sequence[Member] = ()
    """Each is to go on in a transaction of its own."""
    locked: Sequence[tuple[Member, Place]] = ()
    """With the row that each needs."""


class Batch:
    """Commands that share a transaction, 1 to 100, and what becomes of each.

    They leave their line when the transaction is open: until then each is refused at its own
    deadline. After a conflict it is the same ones again, but for those whose time is up.
    """

    def __init__(self, line: Line, *, alone: bool) -> None:
        self.line = line
        self.alone = alone
        """Whether no other waits behind it, or suffers with it."""
        self.members: list[Member] = []
        self.outcomes: dict[Member, Outcome] = {}
        self.unit: UnitOfWork | None = None
        self.commit_marker = ""
        """Is in the write model if and only if the transaction was committed."""

    @property
    def is_waiting(self) -> bool:
        if self.members:
            return any(not member.outcome.done() for member in self.members)
        return self.line.is_waiting

    @property
    def fresh(self) -> list[Member]:
        """Those that are still to be acted on."""
        return [member for member in self.members if member not in self.outcomes]

    @property
    def answer_by(self) -> float:
        """When its outcome is known, or said to be unknown."""
        return min(member.answer_by for member in self.members)

    def take(self) -> bool:
        """Have the members in hand; whether there are any."""
        self.outcomes = {}
        if self.members:
            self.members = [member for member in self.members if not member.outcome.done()]
            for member in self.members:
                member.take()
        else:
            self.members = self.line.take()
        return bool(self.members)

    def rest(self, detail: str | None = None) -> None:
        """Let go of the members after a transaction that was rolled back."""
        for member in self.members:
            member.wait(self.line.place, detail=detail)

    def settle(self) -> Left:
        """Give each member its outcome, but for those whose rows are locked."""
        locked = []
        for member in self.members:
            outcome = self.outcomes.get(member)
            if isinstance(outcome, RowLocked):
                locked.append((member, outcome.place))
            elif outcome is not None:  # else it was refused meanwhile
                member.settle(outcome)
        return Left(locked=locked)

    def settle_all(self, outcome: Outcome) -> Left:
        for member in self.members:
            member.settle(outcome)
        return Left()


Step = Callable[[Batch], Awaitable[None]]
Middleware = Callable[[Step], Step]


def _part_of(seconds: float, since: float, until: float) -> float:
    """So many seconds from then on, and no more than half of the time that there is."""
    return min(since + seconds, (since + until) / 2)


def now() -> float:
    return asyncio.get_running_loop().time()
