"""The event log: topics of partitions, read by groups of consumers. Kafka, or its embedded twin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

Headers = tuple[tuple[str, bytes], ...]
"""A name is text; what in it is no UTF-8 is kept as Python keeps it in the names of files."""


def header_name(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def header_bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def is_utf8(name: str) -> bool:
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


class Partition(NamedTuple):
    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. Messages of one key and topic share a partition, and so keep their order."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers

    def header(self, name: str) -> bytes | None:
        """The last header of that name, as Kafka's clients read it."""
        for key, value in reversed(self.headers):
            if key == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a record cannot be unpacked, and what lies there."""

    reason: str
    size: int
    """In bytes, as it is stored, with all that was packed together with it."""
    sha256: str


@dataclass(frozen=True, slots=True)
class Record:
    """A message in its place in the log."""

    message: Message
    partition: Partition
    offset: int
    timestamp_ms: int
    unreadable: Unreadable | None = None
    """Then the message has nothing but its topic.

    It may stand for several records, up to the next one that can be read.
    """


Revoked = Callable[[frozenset[Partition]], Awaitable[None]]


class Subscription(Protocol):
    """One member's part of a group."""

    async def poll(
        self, *, full: Collection[Partition], timeout_s: float
    ) -> Mapping[Partition, Sequence[Record]]:
        """Whatever is there, except of `full` partitions; waits at most `timeout_s` for it.

        Polling with all of them full keeps the membership. Raises Unavailable; Fenced once a later
        instance has this one's place.
        """
        ...

    async def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        """Note where the group goes on. Raises Fenced when a partition is someone else's by now."""
        ...

    async def seek(self, partition: Partition, offset: int) -> None:
        """Poll this partition from `offset` on."""
        ...

    async def lag(self) -> Mapping[Partition, int]:
        """How many records of its own partitions this member has not been given yet."""
        ...


class Log(Protocol):
    """One process's client of the log."""

    async def publish(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        """Append them; per message None once it is safely stored, or why it is not.

        Per partition a prefix is appended, in the given order: never a later message
        without an earlier one. Bounded: a partition that does not answer fails. The reason is
        Poison for a message that no retry can store.
        """
        ...

    def subscribe(
        self, group: str, topics: Collection[str], revoked: Revoked
    ) -> AbstractAsyncContextManager[Subscription]:
        """Join a group, from its committed offsets or else from the earliest record.

        `revoked` is awaited before partitions go to another member; commits still count in it.
        """
        ...

    def read(self, *topics: str, start: int = 0) -> AsyncIterator[Record]:
        """All records of topics up to their present ends, each partition from offset `start`.

        Without a group: for dead letters and checkers.
        """
        ...

    async def record(self, partition: Partition, offset: int) -> Record | None:
        """What stands in this place; None when it is gone, or never was there."""
        ...

    async def committed(self, group: str) -> Mapping[Partition, int]:
        """The next offsets of the whole group."""
        ...

    async def ends(self, topics: Collection[str]) -> Mapping[Partition, int]:
        """The offset that the next record of each partition will have."""
        ...

    async def ensure(self, topics: Collection[str]) -> None:
        """Make the topics, or check that those that exist keep every record for ever."""
        ...
