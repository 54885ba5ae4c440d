"""The neutral language: what the judge says to an adapter, and what the adapter says to the judge.

The judge knows things, which are placed and go from state to state, and accounts, from which they
take amounts: bookings and seats, loans and books, transfers and balances.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

Do = Literal[
    "join",
    "open",
    "place",
    "advance",
    "cancel",
    "move",
    "read",
    "view",
    "read account",
    "view account",
]
"""
join             become somebody who may place things; sent once by each client, first
open             make an account that holds `amount`
place            begin a thing that takes `moves` from accounts, each unit at the price `mark`
advance          take the thing one step on: pay, confirm, ship
cancel           end the thing, so that it gives back what it took
move             take from some accounts, and give to others
read, view       how the thing is, on the write side and on the query side
read account, view account
                 what the account holds, on the write side and on the query side
"""

READS: frozenset[Do] = frozenset({"read", "view", "read account", "view account"})

Kind = Literal[
    "placed",
    "reserved",
    "refused",
    "released",
    "charged",
    "refunded",
    "moved",
    "ended",
    "changed",
]
"""What an event tells: a thing was placed, an amount was reserved for it or refused, …"""


@dataclass(frozen=True, slots=True)
class Command:
    """What a client wants, drawn by the workload."""

    do: Do
    about: str = ""
    """The system's own id of the thing or account. Nothing has one before it is there."""
    mark: int = 0
    """Unique to this command, and found again in answers and in events: send it as a price."""
    moves: Mapping[str, int] = field(default_factory=dict)
    """By account. What is taken is below zero."""
    amount: int = 0
    """What an account holds when it is opened."""
    key: str | None = None
    """An idempotency key: two commands that have the same one are one command sent twice."""

    def worth(self, *, mark_is_amount: bool) -> int:
        """What the thing costs: its units at the price `mark`; the mark alone where it takes that."""
        units = sum(abs(amount) for amount in self.moves.values())
        return self.mark if mark_is_amount else self.mark * units

    def __str__(self) -> str:
        moves = ", ".join(f"{account} {amount:+d}" for account, amount in self.moves.items())
        more = [
            f"mark {self.mark}" if self.mark else "",
            moves,
            f"amount {self.amount}" if self.amount else "",
            f"key {self.key}" if self.key else "",
        ]
        return " ".join(filter(None, (self.do, self.about, ", ".join(filter(None, more)))))


Json = object
"""A value that JSON can say: what an adapter makes, and knows the shape of."""


@dataclass(frozen=True, slots=True)
class Request:
    """What an adapter makes of a command: an HTTP request to one of its processes."""

    process: str
    method: str
    path: str
    json: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path} of {self.process}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the judge's own sender saw."""

    stage: Literal["refused", "sent", "answered"]
    """refused: no byte left. sent: nobody knows what became of it."""
    status: int = 0
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    error: str = ""

    def __str__(self) -> str:
        return str(self.status) if self.stage == "answered" else f"{self.stage}: {self.error}"


@dataclass(frozen=True, slots=True)
class Shown:
    """How a thing or an account is said to be."""

    state: str = ""
    amount: int | None = None
    """Of an account: what it holds. Of a thing: what it costs, see `Command.worth`."""
    mark: int | None = None
    """The mark of the command that placed the thing."""

    def __str__(self) -> str:
        shown = [
            self.state,
            "" if self.amount is None else f"amount {self.amount}",
            "" if self.mark is None else f"mark {self.mark}",
        ]
        return ", ".join(filter(None, shown)) or "nothing"


@dataclass(frozen=True, slots=True)
class Meant:
    """What an adapter reads in an answer.

    ok: done. fail: certainly not done. info: nobody knows. Of a read, fail says: it is not there.
    """

    outcome: Literal["ok", "fail", "info"]
    about: str = ""
    """The id of what was made, as later commands name it."""
    shows: Shown | None = None
    why: str = ""

    @classmethod
    def by_status(cls, answer: Answer, *, about: str = "", shows: Shown | None = None) -> Self:
        """The usual meaning: 2xx done, 4xx refused, all others unknown."""
        if answer.status < 300:
            return cls("ok", about, shows)
        return cls("fail" if 400 <= answer.status < 500 else "info", why=str(answer.status))


@dataclass(frozen=True, slots=True)
class Event:
    """One fact that a record tells."""

    kind: Kind
    about: str = ""
    """The thing."""
    moves: Mapping[str, int] = field(default_factory=dict)
    """By account, as the fact has changed them."""
    state: str = ""
    """In which the thing is by that."""
    mark: int = 0
    id: str = ""
    cause: str = ""
    """The id of the event, or of whatever else, that this one follows from."""
    version: int | None = None
    """Of the thing: it rises with each event of it."""

    def __str__(self) -> str:
        moves = ", ".join(f"{account} {amount:+d}" for account, amount in self.moves.items())
        return " ".join(filter(None, (self.kind, self.about, self.state, moves)))


class Unreadable(Exception):
    """The adapter cannot decode a record. The text says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a topic."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Mapping[str, bytes] = field(default_factory=dict)
    at_s: float = 0.0
    """When the judge saw it."""

    @property
    def place(self) -> str:
        return f"{self.topic} {self.partition}@{self.offset}"


@dataclass(frozen=True, slots=True)
class States:
    """The states of a thing."""

    steps: Mapping[str, Collection[str]]
    """From each state, those that may follow it."""
    final: Collection[str]
    """Where a thing may be when all is at rest."""
    holds: Collection[str]
    """Where it holds what it took. At rest, one that has ended otherwise must have given all back."""
    after: Mapping[Do | Kind, Collection[str]] = field(default_factory=dict)
    """Where a thing may be at rest after an acknowledged command, or after an event of a kind:
    `{"cancel": {"CANCELED"}, "reserved": {"CONFIRMED", "CANCELED"}}`."""

    def leads(self, before: str, after: str) -> bool:
        """Whether some steps, or none, lead from one state to the other."""
        reached, left = {before}, [before]
        while left:
            new = set(self.steps.get(left.pop(), ())) - reached
            reached |= new
            left += new
        return after in reached
