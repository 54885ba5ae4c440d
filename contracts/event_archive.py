"""Keeps `contracts/events/`: schema and example of every event type, in every version it ever had."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import NAMESPACE_URL, uuid5

from contracts.event_samples import consistent, event_of, message_of
from contracts.event_schemas import ARCHIVE, EVENT_TYPES, ROOT
from contracts.kit import Incomplete, published
from contracts.kit.examples import example
from contracts.kit.schemas import Example, Json, MessageType
from system.events import BY_TYPE
from system.kit.ports.log import Message
from system.kit.values import dumps, loads


def files() -> Mapping[str, str]:
    """What belongs to the present versions, under its path. Raises Incomplete."""
    made = published.files(ARCHIVE, EVENT_TYPES, example_of)
    return {str(path.relative_to(ROOT)): text for path, text in made.items()}


def objections() -> str:
    """Why the present versions cannot be published, or what old and new code could not read."""
    try:
        files()
    except Incomplete as incomplete:
        return str(incomplete)
    return "\n".join(
        f"{event.name}: {found}"
        for event in EVENT_TYPES
        for found in (
            *published.unread(ARCHIVE, event),
            *published.unreadable(ARCHIVE, event),
        )
    )


def golden() -> tuple[Message, ...]:
    """The archive's examples, of every type in every version, as they were sent."""
    return tuple(
        _message(event.name, ARCHIVE.example(event.name, version))
        for event in EVENT_TYPES
        for version in ARCHIVE.versions(event.name)
    )


def _message(topic: str, example: Example) -> Message:
    headers = tuple((name, value.encode()) for name, value in example.headers.items())
    return Message(topic, example.key.encode(), dumps(example.payload), headers)


def example_of(event: MessageType) -> Example:
    """By the code path of every service: what the version before had, or else a plain one."""
    payload = _carried(event) or consistent(example(ARCHIVE.generated(event)))
    payload["event_id"] = str(uuid5(NAMESPACE_URL, ARCHIVE.generated(event)["$id"]))
    message = message_of(event_of(BY_TYPE[event.name], payload))
    headers = {name: value.decode() for name, value in message.headers}
    return Example(message.key.decode(), headers, loads(message.value))


def _carried(event: MessageType) -> Json | None:
    """The version before's example in today's words, so that the archive stays one story."""
    older = event.version - 1
    if older not in ARCHIVE.versions(event.name):
        return None
    return dict(
        published.upcast(event, ARCHIVE.example(event.name, older).payload, older, event.version)
    )
