"""Judges messages as they lie in a log, raw bytes and all, by what an AsyncAPI document says of them.

A message is of the kind whose headers it has: `schema-version` tells version 1 of an event from
version 2, and a dead letter from its resolution. Of that kind are then its key and its payload.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jsonschema_rs
import orjson

from contracts.kit.asyncapi import Json, Schema
from contracts.kit.schemas import closed, validator

Headers = Sequence[tuple[str, bytes]]
Complaint = Callable[[Any], str | None]  # a JSON value of whatever kind
"""What is wrong with a value, by one schema; None for one that is right."""
Compile = Callable[[Schema], Complaint]

_JSON = "application/json"
_PLACE = "$message.payload#"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of message, by what it is judged."""

    name: str
    headers: Complaint
    key: Complaint
    payload: Complaint
    marks: Mapping[str, frozenset[str]]
    """The headers that have one of these values in this kind alone."""
    is_json: bool
    is_open: bool
    """Whether it may have headers that are not named."""
    key_place: tuple[str, ...] | None
    """Where in the payload the key stands again."""


@dataclass
class Judge:
    """Judges messages, and counts them by kind."""

    kinds: Mapping[str, Sequence[Kind]]
    """By topic."""
    seen: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, document: Json, payloads: Mapping[str, Schema], compile: Compile) -> Judge:
        """By a document; by `payloads` where they name a message, else by what is in the document.

        All is closed: we emit nothing that is not named.
        """
        components = document["components"]
        pieces = {name: closed(schema) for name, schema in components["schemas"].items()}

        def kind(name: str) -> Kind:
            message = components["messages"][name]
            ours = {**message["payload"], "components": {"schemas": pieces}}
            return _kind(message, payloads.get(name, ours), compile)

        return cls(
            {
                topic: [kind(name) for name in channel["messages"]]
                for topic, channel in document["channels"].items()
            }
        )

    def faults(self, topic: str, key: bytes, value: bytes, headers: Headers) -> Iterator[str]:
        """What is wrong with a message."""
        kinds = self.kinds.get(topic)
        if kinds is None:
            yield f"there is no topic {topic}"
            return
        had = {name: text.decode("utf-8", "replace") for name, text in headers}
        kind = max(kinds, key=lambda kind: _likeness(kind, had))
        self.seen[kind.name] += 1
        if len(had) < len(headers) and not kind.is_open:
            yield "a header comes twice"
        if (fault := kind.headers(had)) is not None:
            yield f"headers: {fault}"
        named = key.decode("utf-8", "replace")
        if (fault := kind.key(named)) is not None:
            yield f"key: {fault}"
        if not kind.is_json:
            if (fault := kind.payload(value.decode("latin-1"))) is not None:
                yield f"payload: {fault}"
            return
        try:
            payload = orjson.loads(value)
        except orjson.JSONDecodeError as malformed:
            yield f"payload: {malformed}"
            return
        if (fault := kind.payload(payload)) is not None:
            yield f"payload: {fault}"
        elif kind.key_place is not None and named != (due := _at(payload, kind.key_place)):
            yield f"key: {named!r} is not {'.'.join(kind.key_place)}, which is {due!r}"


def _likeness(kind: Kind, headers: Mapping[str, str]) -> int:
    return sum(headers.get(name) in values for name, values in kind.marks.items())


def _at(payload: Any, place: Sequence[str]) -> str:
    for name in place:
        payload = payload[name]
    return str(payload)


def _kind(message: Json, payload: Schema, compile: Compile) -> Kind:
    headers, key = message["headers"], message["bindings"]["kafka"]["key"]
    place = key.get("x-location", "").removeprefix(f"{_PLACE}/")
    return Kind(
        message["name"],
        compile(closed(headers)),
        compile(key),
        compile(payload),
        {
            header: frozenset([of["const"]] if "const" in of else of["enum"])
            for header, of in headers["properties"].items()
            if header in headers.get("required", ()) and of.keys() & {"const", "enum"}
        },
        message["contentType"] == _JSON,
        bool(headers.get("additionalProperties", False)),
        tuple(place.split("/")) if place else None,
    )


def thorough(schema: Schema) -> Complaint:
    """By `jsonschema`, the reference in Python."""
    judging = validator(dict(schema))

    def complaint(value: Any) -> str | None:
        for error in judging.iter_errors(value):
            return f"{error.json_path}: {error.message}"
        return None

    return complaint


def fast(schema: Schema) -> Complaint:
    """By `jsonschema_rs`, compiled: for where every microsecond is paid thousands of times."""
    judging = jsonschema_rs.validator_for(dict(schema), validate_formats=True)

    def complaint(value: Any) -> str | None:
        if judging.is_valid(value):
            return None
        error = next(judging.iter_errors(value))
        return f"${''.join(f'.{step}' for step in error.instance_path)}: {error.message}"

    return complaint
