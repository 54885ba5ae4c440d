"""Writes an AsyncAPI 3.0 document of topics on Kafka, and finds what is wrong with one.

https://www.asyncapi.com/docs/reference/specification/v3.0.0. A channel is a topic, an operation is
what one application does with it. Payloads are JSON Schemas as pydantic makes them; their `$defs`
become `components/schemas`, so that a piece which many messages share is written once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

VERSION = "3.0.0"
BINDING = "0.5.0"
"""The version of AsyncAPI's Kafka bindings."""
OFFICIAL_SCHEMA = Path(__file__).parent / f"asyncapi-{VERSION}" / "schema.json"

_SCHEMAS = "#/components/schemas/"

Json = dict[str, Any]  # a JSON object: values of every kind
Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """One message, whole: its key as text, its headers, its payload."""

    key: str
    headers: Mapping[str, str]
    payload: object


@dataclass(frozen=True, slots=True)
class Message:
    """A kind of message that may lie in a channel."""

    name: str
    title: str
    summary: str
    headers: Schema
    payload: Schema
    key: Schema
    key_location: str | None = None
    """Where in the payload the key stands again, as a JSON pointer: `/order/id`."""
    correlation_header: str | None = None
    content_type: str = "application/json"
    examples: Sequence[Example] = ()


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic."""

    topic: str
    title: str
    description: str
    messages: Sequence[Message]
    partitions: int
    replicas: int
    configuration: Mapping[str, object] = field(default_factory=dict)
    """What Kafka calls the topic's configuration: `retention.ms` and the like."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What one application does with a channel: with all of its messages, or with those named."""

    name: str
    application: str
    action: Literal["send", "receive"]
    topic: str
    summary: str
    group: Schema | None = None
    """Of what form the consumer group's name is."""
    messages: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Server:
    name: str
    host: str
    description: str


def document(
    info: Json,
    servers: Sequence[Server],
    channels: Sequence[Channel],
    operations: Sequence[Operation],
) -> Json:
    """The document, as JSON will have it."""
    schemas: Json = {}
    messages = {
        message.name: _message(message, schemas)
        for channel in channels
        for message in channel.messages
    }
    names = {channel.topic: [each.name for each in channel.messages] for channel in channels}
    return {
        "asyncapi": VERSION,
        "info": info,
        "defaultContentType": "application/json",
        "servers": {server.name: _server(server) for server in servers},
        "channels": {channel.topic: _channel(channel) for channel in channels},
        "operations": {
            operation.name: _operation(operation, names[operation.topic])
            for operation in operations
        },
        "components": {"messages": messages, "schemas": dict(sorted(schemas.items()))},
    }


def _server(server: Server) -> Json:
    return {"host": server.host, "protocol": "kafka", "description": server.description}


def _channel(channel: Channel) -> Json:
    return {
        "address": channel.topic,
        "title": channel.title,
        "description": channel.description,
        "messages": {
            message.name: {"$ref": f"#/components/messages/{message.name}"}
            for message in channel.messages
        },
        "bindings": {
            "kafka": {
                "partitions": channel.partitions,
                "replicas": channel.replicas,
                "topicConfiguration": dict(channel.configuration),
                "bindingVersion": BINDING,
            }
        },
    }


def _message(message: Message, schemas: Json) -> Json:
    payload = f"{message.name}.payload"
    schemas[payload] = _hoisted(message.name, message.payload, schemas)
    key: Json = dict(message.key)
    if message.key_location is not None:
        # a runtime expression, as AsyncAPI writes places in a message
        key["x-location"] = f"$message.payload#{message.key_location}"
    made: Json = {
        "name": message.name,
        "title": message.title,
        "summary": message.summary,
        "contentType": message.content_type,
        "headers": _hoisted(message.name, message.headers, schemas),
        "payload": {"$ref": f"{_SCHEMAS}{payload}"},
        "bindings": {"kafka": {"key": key, "bindingVersion": BINDING}},
    }
    if message.correlation_header is not None:
        location = f"$message.header#/{message.correlation_header}"
        made["correlationId"] = {"location": location}
    if message.examples:
        key["examples"] = [example.key for example in message.examples]
        made["examples"] = [
            {"headers": dict(example.headers), "payload": example.payload}
            for example in message.examples
        ]
    return made


def _operation(operation: Operation, of_channel: Sequence[str]) -> Json:
    made: Json = {
        "action": operation.action,
        "channel": {"$ref": f"#/channels/{operation.topic}"},
        "summary": operation.summary,
        "tags": [{"name": operation.application}],
        "messages": [
            {"$ref": f"#/channels/{operation.topic}/messages/{name}"}
            for name in operation.messages or of_channel
        ],
    }
    if operation.group is not None:
        made["bindings"] = {"kafka": {"groupId": dict(operation.group), "bindingVersion": BINDING}}
    return made


def _hoisted(name: str, schema: Schema, schemas: Json) -> Json:
    """The schema with its `$defs` moved to the document's components, and without its own name.

    Where one of them differs from what has its name already, as after a new version, all are called
    after the message, too: `Order` of `order.created.v1` becomes `order.created.v1.Order`.
    """
    pieces = schema.get("$defs", {})
    plain = {piece: f"{_SCHEMAS}{piece}" for piece in pieces}
    if any(
        schemas.get(piece, made := _referring(body, plain)) != made
        for piece, body in pieces.items()
    ):
        plain = {piece: f"{_SCHEMAS}{name}.{piece}" for piece in pieces}
    for piece, body in pieces.items():
        schemas[plain[piece].removeprefix(_SCHEMAS)] = _referring(body, plain)
    bare = {key: value for key, value in schema.items() if key not in ("$defs", "$id", "$schema")}
    hoisted: Json = _referring(bare, plain)
    return hoisted


def _referring(schema: Any, places: Mapping[str, str]) -> Any:  # a schema, or a piece of one
    match schema:
        case {"$ref": str(reference), **more}:
            return {"$ref": places[reference.removeprefix("#/$defs/")], **more}
        case Mapping():
            return {key: _referring(value, places) for key, value in schema.items()}
        case list() | tuple():
            return [_referring(each, places) for each in schema]
        case _:
            return schema


# --- what is wrong with one -------------------------------------------------------------------------


def faults(document: Json) -> Iterator[str]:
    """What is wrong with a document: by AsyncAPI's own schema, and with its references."""
    for error in _official().iter_errors(document):
        told = _innermost(error)
        yield f"{told.json_path}: {told.message}"
    for place, reference in _references(document, "#"):
        if not _is_there(document, reference):
            yield f"{place}: {reference} is not there"


def _innermost(error: ValidationError) -> ValidationError:
    """What to say of "is not valid under any of these": nearly all of them are "a reference, or …"."""
    while error.context:
        error = max(
            error.context, key=lambda inner: (len(inner.path), "'$ref'" not in inner.message)
        )
    return error


@cache
def _official() -> Draft7Validator:
    return Draft7Validator(json.loads(OFFICIAL_SCHEMA.read_text(encoding="utf-8")))


def _references(node: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield place, node["$ref"]
        for name, value in node.items():
            yield from _references(value, f"{place}/{name}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _references(value, f"{place}/{number}")


def _is_there(document: Json, reference: str) -> bool:
    if not reference.startswith("#/"):
        return False  # a document that is sent to someone has to hold all that it speaks of
    found: Any = document
    for name in reference[2:].split("/"):
        step = name.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or step not in found:
            return False
        found = found[step]
    return True
