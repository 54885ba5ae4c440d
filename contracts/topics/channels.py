"""Every topic with its messages, and what each role does with it, read off the table.

The AsyncAPI document follows from this, and so does what each message is judged by.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from contracts.event_schemas import ARCHIVE
from contracts.kit import Incomplete
from contracts.kit.asyncapi import Channel, Example, Json, Message, Operation, Schema, Server
from contracts.kit.examples import example
from contracts.kit.schemas import MessageType, rewritten
from system.events import EVENTS
from system.kit.adapters.kafka.rules import topic_settings
from system.kit.delivery import outbox
from system.kit.delivery.dead_letters import FACT, Facts, Resolved, dead_letter_id
from system.kit.events import PARTITIONS, REPLAY_FOR, Cause, Event, dlq
from system.kit.table import Row
from system.kit.values import dumps, loads
from system.roles import QUERY_CONSUMER, ROLES
from system.settings import Settings
from system.table import TABLE

INFO: Json = {
    "title": "The topics of event-driven-kit",
    "version": "1.0.0",
    "description": (
        "Each event type is a topic of its own, and beside it lies a topic for its dead letters. "
        "Events of one topic and key keep their order; between topics there is none. Each event "
        "is delivered at least once: readers must be right under any repetition."
    ),
    "license": {"name": "MIT", "url": "https://opensource.org/license/mit"},
}
KEY: Schema = {"type": "string", "pattern": "^[1-9][0-9]*$"}
"""An id in decimal digits, as bytes of ASCII."""
CONSUMERS = sorted({*(name for row in TABLE for name in row.reacts), QUERY_CONSUMER})
RESOLUTION = "resolution"
_AT = datetime(2026, 1, 31, 8, tzinfo=UTC)
_CAUSE = Cause(UUID(int=1, version=4), None, f"00-{1:032x}-{1:016x}-01")


def servers() -> list[Server]:
    settings = Settings()
    return [
        Server(
            "kafka",
            settings.kafka_brokers[0],
            "Kafka in KRaft mode; KAFKA_BROKERS says where, KAFKA_REPLICATION how many replicas "
            "topics are made with. The embedded stack has a twin of it inside the process.",
        )
    ]


def channels(table: Sequence[Row] = TABLE) -> list[Channel]:
    """Each event's topic, and that of its dead letters. Raises Incomplete."""
    rows = {row.event for row in table}
    if without := [event.__name__ for event in EVENTS if event not in rows]:
        raise Incomplete(
            f"{', '.join(without)}: no topic is made of an event without a row: add"
            f" row({without[0]}, …) to system/table.py, with who handles it and what it shows"
        )
    return [made for row in table for made in (_topic(row), _dead_letters(row))]


def operations(table: Sequence[Row] = TABLE) -> list[Operation]:
    return [operation for row in table for operation in _operations(row)]


# --- topics -----------------------------------------------------------------------------------------


def _topic(row: Row) -> Channel:
    event = row.event
    return Channel(
        event.type,
        event.type,
        f"{_first_line(event)} Its key is `{event.key_field}`.",
        [_message(row, version) for version in _versions(event)],
        **_made_with(event.type),
    )


def _versions(event: type[Event]) -> list[int]:
    """Today's first: what was emitted in older ones still lies in the topic."""
    return sorted({event.schema_version, *ARCHIVE.versions(event.type)}, reverse=True)


def _message(row: Row, version: int) -> Message:
    event = row.event
    return Message(
        name_of(event.type, version),
        event.type,
        _first_line(event),
        headers=_headers(row, version),
        payload=_payload(event, version),
        key=KEY,
        key_location="/" + event.key_field.replace(".", "/"),
        correlation_header="correlation-id",
        examples=[
            _example(event) if version == event.schema_version else _archived(event, version)
        ],
    )


def name_of(type: str, version: int) -> str:
    """The name of the message that is an event in one version."""
    return f"{type}.v{version}"


def _payload(event: type[Event], version: int) -> Json:
    if version == event.schema_version:  # its file may be about to be written
        return ARCHIVE.generated(MessageType(event.type, version, event))
    return ARCHIVE.schema(event.type, version)


def _headers(row: Row, version: int) -> Schema:
    """Those of the outbox, of this event alone; and the one that a replay adds."""
    schema = TypeAdapter(outbox.Metadata).json_schema()
    exactly = {
        "event-type": {"type": "string", "const": row.event.type},
        "schema-version": {"type": "string", "const": str(version)},
        REPLAY_FOR: {
            "type": "string",
            "enum": CONSUMERS,
            "description": "The consumer that a dead letter is replayed for; others pass it over.",
        },
    }
    return _untitled({**schema, "properties": {**schema["properties"], **exactly}})


def _untitled(schema: Json) -> Json:
    """Without the titles that pydantic makes of names: they say nothing new."""
    return rewritten(schema, lambda node: {k: v for k, v in node.items() if k != "title"})


def _example(event: type[Event]) -> Example:
    """What the outbox would send."""
    made = event.model_validate(example(_payload(event, event.schema_version)))
    sent = outbox.message(outbox.row(made, _CAUSE, _AT))
    headers = {name: text.decode() for name, text in sent.headers}
    return Example(sent.key.decode(), headers, loads(sent.value))


def _archived(event: type[Event], version: int) -> Example:
    """What the outbox sent, when that was the version."""
    found = ARCHIVE.example(event.type, version)
    return Example(found.key, found.headers, found.payload)


def _dead_letters(row: Row) -> Channel:
    topic = row.event.type
    return Channel(
        dlq(topic),
        dlq(topic),
        f"Messages of `{topic}` that a consumer could not handle, and what became of each: a "
        "letter is open until a resolution of the same id follows.",
        [_letter(row), _resolution(topic)],
        **_made_with(dlq(topic)),
    )


def _letter(row: Row) -> Message:
    topic = row.event.type
    facts = _untitled(TypeAdapter(Facts).json_schema())
    exactly = {
        "topic": {"type": "string", "const": topic},
        "consumer": {"type": "string", "enum": CONSUMERS},
    }
    facts["properties"] |= exactly
    sent = _example(row.event)
    known = {
        **_with_prefix(example(facts)),
        FACT + "id": dead_letter_id(topic, 0, 7, QUERY_CONSUMER),
        FACT + "consumer": QUERY_CONSUMER,
        FACT + "partition": "0",
        FACT + "offset": "7",
    }
    return Message(
        f"{topic}.dead-letter",
        f"dead letter of {topic}",
        "The message as it was, byte for byte; its headers, and behind them the facts.",
        # what could not be handled may have had any headers and any bytes at all
        headers={**_prefixed(facts), "additionalProperties": True},
        payload={"description": "As it was: often, but not always, an event of this topic."},
        key={"type": "string", "description": "as it was"},
        content_type="application/octet-stream",
        examples=[
            Example(sent.key, {**sent.headers, **known}, dumps(sent.payload).decode("ascii"))
        ],
    )


def _resolution(topic: str) -> Message:
    facts = _untitled(TypeAdapter(Resolved).json_schema())
    return Message(
        f"{topic}.{RESOLUTION}",
        f"resolution of a dead letter of {topic}",
        "Says that a dead letter was replayed or purged. It has no body.",
        headers=_prefixed(facts),
        payload={"type": "string", "maxLength": 0},
        key={"type": "string", "description": "as it was"},
        content_type="application/octet-stream",
        examples=[
            Example(
                "1",
                {
                    **_with_prefix(example(facts)),
                    FACT + "id": dead_letter_id(topic, 0, 7, QUERY_CONSUMER),
                },
                "",
            )
        ],
    )


def _prefixed(facts: Json) -> Schema:
    """The schema of headers whose names begin as our facts' do."""
    return {
        **facts,
        "properties": _with_prefix(facts["properties"]),
        "required": [FACT + name for name in facts["required"]],
    }


def _with_prefix(facts: Any) -> Json:
    return {FACT + name: value for name, value in facts.items()}


def _made_with(topic: str) -> Json:
    """Partitions, replicas and configuration: of the kinds that AsyncAPI writes them in."""
    settings = topic_settings(topic)
    typed = {
        name: [value] if name == "cleanup.policy" else int(value)
        for name, value in settings.items()
    }
    return {
        "partitions": PARTITIONS,
        "replicas": Settings().kafka_replication,
        "configuration": typed,
    }


# --- who does what with them ------------------------------------------------------------------------


def _operations(row: Row) -> Iterator[Operation]:
    topic = row.event.type
    (relay,) = [spec.name for spec in ROLES if spec.relays == row.event.aggregate]
    yield Operation(
        f"{relay}.send.{topic}",
        relay,
        "send",
        topic,
        f"Relays the outbox of the aggregate {row.event.aggregate}.",
    )
    for consumer, handler in row.reacts.items():
        group = {"type": "string", "const": consumer}
        yield from _reading(consumer, topic, _first_line(handler), group)
    group = {"type": "string", "pattern": rf"^{QUERY_CONSUMER}\.g[1-9][0-9]*$"}
    yield from _reading(QUERY_CONSUMER, topic, "Folds it into the views.", group)


def _reading(consumer: str, topic: str, what: str, group: Schema) -> Iterator[Operation]:
    """Who reads a topic parks what it cannot handle, and sends it again when it is replayed."""
    yield Operation(f"{consumer}.receive.{topic}", consumer, "receive", topic, what, group)
    yield Operation(
        f"{consumer}.replay.{topic}",
        consumer,
        "send",
        topic,
        f"Sends a dead letter once more, as it was, with the header `{REPLAY_FOR}`.",
    )
    yield Operation(
        f"{consumer}.park.{topic}",
        consumer,
        "send",
        dlq(topic),
        "Parks what it cannot handle, and notes what became of it.",
    )
    yield Operation(
        f"{consumer}.list.{topic}",
        consumer,
        "receive",
        dlq(topic),
        "Lists the letters that are open. It reads without a group, from the beginning.",
    )


def _first_line(documented: type[Event] | Callable[..., object]) -> str:
    return (inspect.getdoc(documented) or "").split("\n")[0]
