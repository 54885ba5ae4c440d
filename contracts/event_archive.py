"""Keeps `contracts/events/`: schema and example of every event type, in every version it ever had."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.event_samples import consistent, event_of, message_of
from contracts.event_schemas import ARCHIVE, EVENT_TYPES, ROOT
from contracts.kit import published
from contracts.kit.sampling import illustration
from contracts.kit.schemas import Example, MessageType
from system.events import BY_TYPE
from system.values import loads


def files() -> Mapping[str, str]:
    """What belongs to the present versions, under its path. Raises Incomplete."""
    made = published.files(ARCHIVE, EVENT_TYPES, example_of)
    return {str(path.relative_to(ROOT)): text for path, text in made.items()}


def example_of(event: MessageType) -> Example:
    """A plain one, by the code path of every service."""
    payload = consistent(illustration(ARCHIVE.generated(event)))
    message = message_of(event_of(BY_TYPE[event.name], payload))
    headers = {name: value.decode() for name, value in message.headers}
    return Example(message.key.decode(), headers, loads(message.value))
