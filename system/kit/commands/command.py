"""A command and its answer, and the chain of steps around a batch of commands.

Nothing here knows HTTP: whatever has an id, a key, a fingerprint and a deadline is a command.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from system.kit.errors import DomainError
from system.kit.locks import RowLocked
from system.kit.ports.work import UnitOfWork


class Command(Protocol):
    """What has to be known of a command, whatever it asks for."""

    @property
    def id(self) -> int:
        """Of the one thing that it changes; 0 if that is new, or several."""
        ...

    @property
    def key(self) -> str | None:
        """The same when it is sent again, and no other's; None if it cannot be sent again."""
        ...

    @property
    def fingerprint(self) -> str:
        """Of what it says: a key stands for one text."""
        ...

    @property
    def deadline(self) -> float:
        """By the loop's clock: an answer after it reaches no one."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A success, ready to be sent and, byte for byte, to be repeated."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


C = TypeVar("C", bound=Command, contravariant=True)

Act = Callable[[C, UnitOfWork], Awaitable[Answer]]
ActOnAll = Callable[
    [Sequence[C], UnitOfWork], Awaitable[Sequence[Answer | DomainError | RowLocked]]
]
Outcome = Answer | Exception
