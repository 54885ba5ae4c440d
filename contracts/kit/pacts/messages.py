"""Pacts of messages: what is expected of one, and a consumer's pact with one provider.

The metadata of an interaction are the message's headers, its topic, and its key. A key is given by
the field that it must equal, such as `$.order_id`: a rule for its text could not tell an order's
number from a product's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pact import Pact
from pact import match as matching
from pydantic import BaseModel

from contracts.kit.pacts.matching import UUID_TEXT, Body, expected, like
from contracts.kit.pacts.reads import Path

MEDIA_TYPE = "application/json"
TRACEPARENT = "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"
TOPIC, KEY, CONTENT_TYPE = "topic", "key", "contentType"
_OURS = {TOPIC, KEY, CONTENT_TYPE}

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Expected:
    """One message as its consumer expects it, after its provider came to a state."""

    topic: str
    state: str
    key_field: str
    headers: Headers
    contents: BaseModel
    reads: frozenset[Path]
    """What the consumer reads of the contents."""

    @property
    def description(self) -> str:
        return f"{self.topic}: {self.state}"


@dataclass(frozen=True, slots=True)
class Received:
    """A message as pact hands it to a consumer: with nothing but what is expected."""

    topic: str
    key_field: str
    headers: Headers
    contents: bytes


def pact_of(consumer: str, provider: str, messages: Iterable[Expected]) -> Pact:
    pact = Pact(consumer, provider).with_specification("V4")
    for message in messages:
        metadata: dict[str, Any] = {  # text, or what matches it
            TOPIC: message.topic,
            KEY: f"$.{message.key_field}",
            **{name: _header(name, value) for name, value in message.headers.items()},
        }
        (
            pact.upon_receiving(message.description, "Async")
            .given(message.state)
            .with_body(expected(message.contents, message.reads), MEDIA_TYPE)
            .with_metadata(metadata)
        )
    return pact


def received(pact: Pact) -> list[Received]:
    """The messages of a pact, as it hands them to its consumer."""
    messages: list[Received] = []

    def receive(contents: str | bytes | None, metadata: dict[str, object]) -> None:
        # pact reads metadata as JSON: the text "1" arrives as a number
        known = {name: str(value) for name, value in metadata.items()}
        headers = {name: value for name, value in known.items() if name not in _OURS}
        body = str(contents).encode()
        messages.append(Received(known[TOPIC], known[KEY].removeprefix("$."), headers, body))

    pact.verify(receive, "Async")
    return messages


def completed(whole: Any, contents: Any) -> Any:  # JSON
    """The contents of a pact's message, and for the rest those of a whole one, which decode.

    A pact has what a consumer uses. That a message has what decoding asks for beyond that is
    promised elsewhere, by its schema.
    """
    match whole, contents:
        case dict(), dict():
            return whole | {name: completed(whole.get(name), contents[name]) for name in contents}
        case list(), list():
            return [completed(*pair) for pair in zip(whole, contents, strict=True)]
        case _:
            return contents


def heeded(headers: Headers, outcome: Callable[[Headers], object]) -> Headers:
    """The headers that matter: those of which another value leads to another outcome."""
    as_it_is = outcome(headers)
    return {
        name: value
        for name, value in headers.items()
        if outcome({**headers, name: "?"}) != as_it_is
    }


def _header(name: str, value: str) -> Body:
    if name == "traceparent":
        return matching.regex(value, regex=TRACEPARENT)
    if value.isdecimal():  # a version, of which a reader takes any
        return like(value, "[0-9]+")
    try:
        return matching.regex(str(UUID(value)), regex=UUID_TEXT)
    except ValueError:
        return value
