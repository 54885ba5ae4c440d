"""What an adapter is: the description of a system, and its translation to the neutral language.

An adapter opens no socket. The judge sends, records, reads the topics and runs the processes, so
that an adapter cannot say that something was refused which was only not answered.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from chaos.kit.blackbox.language import (
    Answer,
    Command,
    Do,
    Event,
    Kind,
    Meant,
    Record,
    Request,
    States,
)
from chaos.kit.promises.sight import Blind, Sight


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic that is read, and made before the processes start."""

    name: str
    partitions: int = 3
    by: str | Sequence[str] = ()
    """The process that writes it, or those: a kill can then be aimed at the moment after a record."""
    made_by_the_system: bool = False
    dead_letters: str = ""
    """Where its dead letters go."""

    @property
    def writers(self) -> Sequence[str]:
        return (self.by,) if isinstance(self.by, str) else self.by


@dataclass(frozen=True, slots=True)
class Process:
    """A process of the system, started by a command.

    In `argv` and `env` these are filled in: {kafka} {mysql.host} {mysql.port} {mysql.user}
    {mysql.password} {mysql.database} {postgres.…, the same} {mongo} {port}, its own, and
    {url:NAME}, where it finds the process of that name. Each leads through a proxy of its own.
    {postgres.database:NAME}, {mysql.database:NAME} and {mongo:NAME} are databases of their own.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    folder: str = "."
    """Where it runs, seen from the adapter's own folder."""
    ready: str = "tcp"
    """`GET /path` (any 2xx), `tcp` (somebody listens), or `running`."""
    after: Sequence[str] = ()
    """Processes that have to be ready before it starts."""
    falls: Literal["failure", "restart"] = "failure"
    """What it is when it ends by itself; `restart`: whoever runs it starts it again."""
    grace_s: float = 60.0
    """How long it may take to be ready."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What clients do."""

    clients: int = 4
    pause_s: float = 0.15
    """After each command, in the mean."""
    accounts: int = 4
    amount: int = 100_000
    """What an account holds. The first one is `scarce`, so that some things get nothing."""
    scarce: int = 60
    lines: int = 2
    """A thing takes from up to so many accounts at once."""
    quantity: int = 3
    mark_is_amount: bool = False
    """For a system that has no number but the amount: each thing takes its mark, from one account.
    What accounts hold is then a thousand times as much."""
    weights: Mapping[Do, int] = field(
        default_factory=lambda: {
            "place": 6,
            "move": 6,
            "cancel": 2,
            "advance": 2,
            "read": 2,
            "view": 2,
            "read account": 1,
            "view account": 1,
        }
    )
    """How often each command is drawn. One that the system does not have costs nothing."""

    def holds(self, number: int) -> int:
        """What the account of that number is opened with."""
        return (self.amount if number else self.scarce) * (1000 if self.mark_is_amount else 1)


class Client(ABC):
    """One client. It may remember what it was told, such as who it is."""

    @abstractmethod
    def request(self, command: Command) -> Request | None:
        """Say the command in the system's own terms. None: the system has no such command."""

    @abstractmethod
    def meaning(self, command: Command, answer: Answer) -> Meant:
        """Say what an answer means. It is asked only where there is one."""


class Stranger(ABC):
    """A system that is judged from outside."""

    name: ClassVar[str]
    needs: ClassVar[Collection[Literal["kafka", "mysql", "mariadb", "mongo", "postgres"]]]
    topics: ClassVar[Sequence[Topic]] = ()
    processes: ClassVar[Sequence[Process]]
    states: ClassVar[States]
    sees: ClassVar[Sight]
    blind: ClassVar[Sequence[Blind]] = ()
    tells: ClassVar[Mapping[Do, tuple[Kind, ...]]] = {
        "place": ("placed",),
        "move": ("placed", "moved", "refused"),
        "cancel": ("ended",),
    }
    """Which kinds of events tell of an acknowledged command: any of them will do. A command that is
    left out is told by none."""
    known: ClassVar[Mapping[str, str]] = {}
    """Promises that are known to be broken, and why: one that is kept after all is news."""
    workload: ClassVar[Workload] = Workload()
    quiet_s: ClassVar[float] = 12.0
    """Longer than its longest poll, retry or pause: so long nothing may move before it is at rest."""
    rest_s: ClassVar[float] = 180.0
    """How long it may take to come to rest, or, where lags get smaller, how long these may stand still."""

    @abstractmethod
    def client(self, number: int) -> Client:
        """One more client."""

    @abstractmethod
    def events(self, record: Record) -> Iterable[Event]:
        """What a record tells. Raises Unreadable."""

    def poison(self, topic: str) -> bytes | None:
        """Bytes that nobody can handle, to be put into the topic. None: leave the topic alone."""
        return None

    def letter(self, record: Record) -> bytes:
        """What a dead letter was before it was parked, where its topic has it inside of more."""
        return record.value
