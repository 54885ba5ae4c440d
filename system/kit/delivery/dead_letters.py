"""Dead letters: messages parked with their reason, to be read, replayed or purged.

A letter keeps the original bytes, key and headers, and adds what is known of the failure. It lies
in the `.dlq` of its topic. What does not fit there, or could not even be unpacked, is kept as a
reference: the letter has its place, size and digest, and `show` and `replay` fetch it. Replaying or
purging appends a resolution to the same place: the open letters are the letters minus the
resolutions. A letter is named by where its message stood and who could not handle it, so that one
parked twice, by a consumer that died in between, is one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from system.kit.delivery.failures import Failure
from system.kit.delivery.outbox import ids_of
from system.kit.errors import Poison, Unavailable
from system.kit.events import REPLAY_FOR, dlq
from system.kit.logs import Logger
from system.kit.metrics import Metrics
from system.kit.ports.log import Log, Message, Partition, Record, header_bytes
from system.kit.ports.world import World
from system.kit.values import TimeText, timestamp

FACT = "dead-letter-"
"""How the names of our headers begin."""
_ID = f"{FACT}id"

_NUMBER = re.compile("[0-9]{1,18}")
_Digits = Annotated[str, Field(pattern="^[0-9]+$")]
Facts = TypedDict(
    "Facts",
    {
        "resolution": Literal[""],
        "id": str,
        "topic": str,
        "partition": _Digits,
        "offset": _Digits,
        "consumer": str,
        "error-type": str,
        "error": str,
        "attempts": _Digits,
        "first-failed-at": TimeText,
        "last-failed-at": TimeText,
        "trace": str,
        # of a letter without its message, and the last headers of it alone
        "size": NotRequired[_Digits],
        "digest": NotRequired[str],
    },
)
"""What a letter adds to a message, as its last headers: names of its own count for nothing."""
Resolved = TypedDict(
    "Resolved",
    {"id": str, "resolution": Literal["replayed", "purged"], "resolved-at": TimeText},
)
"""The headers of a resolution, which has no body."""
_FACTS = frozenset(Facts.__required_keys__)

Park = Callable[[Record, Failure], Awaitable[None]]
"""Put a message aside. Returns once that is safe; raises Unavailable while it cannot be done."""


class Resolution(StrEnum):
    REPLAYED = "replayed"
    PURGED = "purged"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A parked message with its facts. Times are RFC 3339."""

    id: str
    topic: str
    partition: int
    offset: int
    consumer: str
    error_type: str
    error: str
    attempts: int
    first_failed_at: str
    last_failed_at: str
    trace: str
    message: Message
    """As it was before it was parked; without anything if the letter is a reference."""
    kept_in: Partition
    kept_at: int
    """The letter's own place, among the dead letters."""
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """What stands in for a message that its letter does not have."""

    size: int
    digest: str


class Gone(Exception):
    """A letter's message cannot be had any more; the text says why."""


class NotTaken(Exception):
    """A topic does not take this message, now or ever; the text says why."""


def dead_letter_id(topic: str, partition: int, offset: int, consumer: str) -> str:
    return f"{topic}:{partition}:{offset}:{consumer}"


def is_for(record: Record, consumer: str) -> bool:
    """Whether a consumer should handle a record: replays name the one that they are for."""
    replay_for = record.message.header(REPLAY_FOR)
    return replay_for is None or replay_for == consumer.encode()


def without_replay(message: Message) -> Message:
    """The message as it was before it was replayed, if it was."""
    headers = tuple(header for header in message.headers if header[0] != REPLAY_FOR)
    return replace(message, headers=headers)


class DeadLetters:
    """One consumer's view of the dead letters: it parks its own, and resolves any."""

    def __init__(
        self,
        consumer: str,
        topics: Collection[str],
        log: Log,
        world: World,
        metrics: Metrics,
        logger: Logger,
    ) -> None:
        self.consumer = consumer
        self.topics = topics
        """All that there are, for it reads the letters of others, too."""
        self._log = log
        self._world = world
        self._metrics = metrics
        self._logger = logger

    async def park(self, record: Record, failure: Failure) -> None:
        """Append the letter. Raises Unavailable while the broker does not take it."""
        place = record.partition
        id = dead_letter_id(place.topic, place.number, record.offset, self.consumer)
        facts: Facts = {
            "resolution": "",
            "id": id,
            "topic": place.topic,
            "partition": str(place.number),
            "offset": str(record.offset),
            "consumer": self.consumer,
            "error-type": failure.error_type,
            "error": failure.text,
            "attempts": str(failure.attempts),
            "first-failed-at": timestamp(failure.first_at),
            "last-failed-at": timestamp(failure.last_at),
            "trace": failure.trace,
        }
        try:
            if record.unreadable is not None:
                raise NotTaken(record.unreadable.reason)
            message = record.message
            headers = (*message.headers, *_headers(facts))
            await self._publish(Message(dlq(place.topic), message.key, message.value, headers))
        except NotTaken:
            facts["size"], facts["digest"] = _size_and_digest(record)
            headers = _headers(facts)
            try:
                await self._publish(Message(dlq(place.topic), b"", b"", headers))
            except NotTaken as narrow:  # made so since the start: it waits to be made wider
                raise Unavailable(str(narrow)) from narrow
        self._metrics.dead_letter(self.consumer, place.topic)
        self._logger.error(
            "dead letter",
            letter=id,
            error=failure.text,
            attempts=failure.attempts,
            **ids_of(record.message),
        )

    async def open(
        self, topics: Collection[str] | None = None, *, consumer: str | None = None
    ) -> list[DeadLetter]:
        """The unresolved letters of these topics or all, oldest first; of one consumer or all.

        Without their trace, and of their messages only the key, however many and large they are:
        `kept` gets all of one.
        """
        read = map(dlq, self.topics if topics is None else topics)
        found = _Open()
        async for record in self._log.read(*read):
            found.add(record, _summary)
        letters = [letter for letter in found.letters() if consumer in (None, letter.consumer)]
        return sorted(letters, key=lambda letter: letter.last_failed_at)

    async def kept(self, letter: DeadLetter) -> DeadLetter:
        """All of a letter that `open` has found. Raises Gone."""
        record = await self._log.record(letter.kept_in, letter.kept_at)
        if record is None:
            topic, partition = letter.kept_in
            raise Gone(
                f"the letter is gone: {topic}, partition {partition}, offset {letter.kept_at}"
            )
        return _letter(_facts(record.message), record)

    def parked(self, topics: Collection[str]) -> Parked:
        """What this consumer has parked of these topics, whatever became of the letters."""
        return Parked(self.consumer, self._log, topics)

    async def replay(self, letter: DeadLetter) -> None:
        """Send the original message again, to the consumer that could not handle it, and say so.

        Raises Gone or NotTaken for one that cannot be sent; then the letter stays open. Later
        messages of the same key have gone on meanwhile; handlers are right under any order. A crash
        in between leaves the letter open: replaying it once more is harmless, too.
        """
        message = without_replay(await self.message_of(await self.kept(letter)))
        headers = (*message.headers, (REPLAY_FOR, letter.consumer.encode()))
        await self._publish(replace(message, topic=letter.topic, headers=headers))
        await self._resolve(letter, Resolution.REPLAYED)

    async def message_of(self, letter: DeadLetter) -> Message:
        """The message of a whole letter as it was, fetched from its place if need be. Raises Gone."""
        if letter.reference is None:
            return letter.message
        place = f"{letter.topic}, partition {letter.partition}, offset {letter.offset}"
        record = await self._log.record(Partition(letter.topic, letter.partition), letter.offset)
        if record is None:
            raise Gone(f"the message is gone from its place: {place}")
        size, digest = _size_and_digest(record)
        # what could not be unpacked, and now can, has another size and digest than its batch had
        was_unreadable = letter.reference.digest.startswith(_OF_A_BATCH)
        if letter.reference.digest != digest and (record.unreadable or not was_unreadable):
            raise Gone(f"another message stands in its place: {place} ({size} bytes)")
        if record.unreadable is not None:
            raise Gone(f"the message at {place} {record.unreadable.reason}")
        return record.message

    async def purge(self, letter: DeadLetter) -> None:
        """Give a letter up for good. Its bytes stay in the topic."""
        await self._resolve(letter, Resolution.PURGED)

    async def _resolve(self, letter: DeadLetter, resolution: Resolution) -> None:
        facts: Resolved = {
            "id": letter.id,
            "resolution": resolution.value,
            "resolved-at": timestamp(self._world.now()),
        }
        key = letter.message.key
        await self._publish(Message(dlq(letter.topic), key, b"", _headers(facts)))
        self._logger.info("dead letter resolved", letter=letter.id, by=resolution.value)

    async def _publish(self, message: Message) -> None:
        (error,) = await self._log.publish([message])
        if isinstance(error, Poison):
            raise NotTaken(f"{message.topic} does not take the message: {error}") from error
        if error is not None:
            raise Unavailable(f"{message.topic} does not take the message: {error}") from error


class Parked:
    """The places of a consumer's dead letters: read once, and later only what has come since."""

    def __init__(self, consumer: str, log: Log, topics: Collection[str]) -> None:
        self._consumer = consumer
        self._log = log
        self._topics = [dlq(topic) for topic in topics]
        self._ids: set[bytes] = set()
        self._read_to: dict[Partition, int] = {}
        self._reading = asyncio.Lock()

    async def has(self, record: Record) -> bool:
        """Whether it was parked when this was read."""
        async with self._reading:
            if not self._read_to:
                await self._read(self._topics, start=0)
        return self._id(record) in self._ids

    async def has_by_now(self, record: Record) -> bool:
        """Whether it was parked, perhaps only a moment ago."""
        topic = dlq(record.partition.topic)
        async with self._reading:
            read = [end for place, end in self._read_to.items() if place.topic == topic]
            await self._read([topic], start=min(read, default=0))
        return self._id(record) in self._ids

    async def _read(self, topics: Collection[str], *, start: int) -> None:
        ends = await self._log.ends(topics)
        async for letter in self._log.read(*topics, start=start):
            self._ids.add(letter.message.header(_ID) or b"")
        self._read_to.update(ends)

    def _id(self, record: Record) -> bytes:
        place = record.partition
        return dead_letter_id(place.topic, place.number, record.offset, self._consumer).encode()


def unresolved(records: Iterable[Record]) -> list[DeadLetter]:
    """The open letters among the records of one `.dlq`.

    One parked twice counts once, and once resolved it stays so: the second parking can only be
    a redelivery of what has been replayed or purged. Records without our facts are not ours.
    """
    found = _Open()
    for record in records:
        found.add(record, _letter)
    return found.letters()


class _Open:
    """The open letters among the records that are added."""

    def __init__(self) -> None:
        self._letters: dict[str, DeadLetter] = {}
        self._resolved: set[str] = set()

    def add(self, record: Record, made: Callable[[Mapping[str, str], Record], DeadLetter]) -> None:
        facts = _facts(record.message)
        if facts.get("resolution"):
            self._resolved.add(facts.get("id", ""))
        elif facts.keys() >= _FACTS and _are_ours(facts, record):
            self._letters[facts["id"]] = made(facts, record)

    def letters(self) -> list[DeadLetter]:
        return [letter for id, letter in self._letters.items() if id not in self._resolved]


def _summary(facts: Mapping[str, str], record: Record) -> DeadLetter:
    """A letter without what may be large of it."""
    letter = _letter(facts, record)
    return replace(letter, trace="", message=replace(letter.message, value=b"", headers=()))


def _refers(message: Message) -> bool:
    """Whether a letter is a reference. A message may bring headers of these names along."""
    return message.headers[-1][0] == FACT + "digest"


def _are_ours(facts: Mapping[str, str], record: Record) -> bool:
    """Whether these can be the facts of a letter: anyone may write to a topic of dead letters."""
    numbers = [facts[name] for name in ("partition", "offset", "attempts")]
    if _refers(record.message):
        numbers.append(facts.get("size", ""))
    if dlq(facts["topic"]) != record.partition.topic or not all(map(_NUMBER.fullmatch, numbers)):
        return False
    place = facts["topic"], int(facts["partition"]), int(facts["offset"])
    return facts["id"] == dead_letter_id(*place, facts["consumer"])


def _letter(facts: Mapping[str, str], record: Record) -> DeadLetter:
    message = record.message
    is_reference = _refers(message)
    headers = () if is_reference else message.headers[: -len(_FACTS)]
    return DeadLetter(
        id=facts["id"],
        topic=facts["topic"],
        partition=int(facts["partition"]),
        offset=int(facts["offset"]),
        consumer=facts["consumer"],
        error_type=facts["error-type"],
        error=facts["error"],
        attempts=int(facts["attempts"]),
        first_failed_at=facts["first-failed-at"],
        last_failed_at=facts["last-failed-at"],
        trace=facts["trace"],
        message=Message(facts["topic"], message.key, message.value, headers),
        kept_in=record.partition,
        kept_at=record.offset,
        reference=Reference(int(facts["size"]), facts["digest"]) if is_reference else None,
    )


_OF_A_BATCH = "batch "


def _size_and_digest(record: Record) -> tuple[str, str]:
    """Of the message; or of what is stored, where there is no getting at the message."""
    if record.unreadable is not None:
        return str(record.unreadable.size), f"{_OF_A_BATCH}sha256 {record.unreadable.sha256}"
    size, digest = 0, sha256()
    message = record.message
    parts = [part for name, value in message.headers for part in (header_bytes(name), value)]
    for part in (message.key, message.value, *parts):
        size += len(part)
        digest.update(b"%d:" % len(part) + part)
    return str(size), f"sha256 {digest.hexdigest()}"


def _headers(facts: Facts | Resolved) -> tuple[tuple[str, bytes], ...]:
    return tuple(
        (FACT + name, str(value).encode("utf-8", "replace")) for name, value in facts.items()
    )


def _facts(message: Message) -> dict[str, str]:
    return {
        name.removeprefix(FACT): value.decode("utf-8", "replace")
        for name, value in message.headers
        if name.startswith(FACT)
    }
