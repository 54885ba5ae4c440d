"""The outbox: events stored in the state change's own transaction, until a relay has sent them.

Rows of one aggregate are inserted after that aggregate's row is locked, so for them the order of
ids is the order of commits. Across aggregates it is not: id 11 may be visible before id 10, so
nobody may read with a cursor. What is unsent is `processed_at IS NULL`, from the lowest id on.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NotRequired
from uuid import UUID

from pydantic import Field, ValidationError
from sqlalchemy import (
    Column,
    Index,
    RowMapping,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import TypedDict

from system import tracing
from system.columns import TABLE_OPTIONS, Bytes, Id, Timestamp, ascii_key, metadata
from system.events import BY_TYPE, Cause, Envelope, Event
from system.ports.errors import Poison
from system.ports.log import Headers, Message
from system.statements import among
from system.values import UuidText, dumps, loads

EVENT_BYTES_MAX = 256 * 1024
"""With its headers."""
ID_BYTES_MAX = 45
"""Of a UUID in its longest form: `urn:uuid:` before it."""
SHOWN_MAX = 200
"""More of a stranger's header or key is in no text, and no longer `traceparent` is understood."""
_VERSION = re.compile("[1-9][0-9]{0,5}")

outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("aggregate", ascii_key(50), nullable=False),
    Column("event_type", ascii_key(100), nullable=False),
    Column("message_key", ascii_key(20), nullable=False),
    # bytes, not JSON: MySQL's JSON type rewrites numbers, and what is sent must be what was stored
    Column("payload", Bytes, nullable=False),
    Column("headers", Bytes, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("processed_at", Timestamp),
    Index("outbox_unsent", "aggregate", "processed_at", "id"),
    **TABLE_OPTIONS,
)

_APPEND = insert(outbox)
_IS_UNSENT = and_(outbox.c.aggregate == bindparam("aggregate"), outbox.c.processed_at.is_(None))
_UNSENT = (
    select(outbox)
    .where(_IS_UNSENT, outbox.c.id > bindparam("above"))
    .order_by(outbox.c.id)
    .limit(bindparam("limit"))
)
_BELOW = (
    select(outbox.c.event_type, outbox.c.message_key)
    .where(
        _IS_UNSENT,
        outbox.c.id <= bindparam("last"),
        among(outbox.c.message_key, "keys"),
    )
    .distinct()
)
_MARK = update(outbox).where(among(outbox.c.id)).values(processed_at=bindparam("at"))
_BACKLOG = select(func.count(), func.min(outbox.c.created_at)).where(_IS_UNSENT)

Metadata = TypedDict(
    "Metadata",
    {
        "event-type": str,
        "schema-version": Annotated[str, Field(pattern=r"^[1-9][0-9]*$")],
        "correlation-id": Annotated[
            UuidText, Field(description="The same for everything that follows from one request.")
        ],
        "traceparent": Annotated[
            str,
            Field(description="W3C trace context.", json_schema_extra={"pattern": tracing.PATTERN}),
        ],
        "causation-id": NotRequired[
            Annotated[
                UuidText,
                Field(description="The event that led here; none for what a request did itself."),
            ]
        ],
    },
)
"""The headers that travel beside an event."""

Key = tuple[str, bytes]
"""Topic and key: events of one keep their order."""


@dataclass(frozen=True, slots=True)
class Unsent:
    id: int
    message: Message
    created_at: datetime

    @property
    def key(self) -> Key:
        return self.message.topic, self.message.key


@dataclass(frozen=True, slots=True)
class Backlog:
    rows: int
    oldest: datetime | None


def row(event: Event, because: Cause, at: datetime) -> dict[str, object]:
    """The outbox row of an event. Raises ValueError for one that no relay could send."""
    payload, headers = dumps(event.model_dump()), dumps(metadata_of(event, because))
    if (size := len(payload) + len(headers)) > EVENT_BYTES_MAX:
        raise ValueError(f"{event.type} {event.key} has {size} bytes, over 256 kB")
    return {
        "aggregate": event.aggregate,
        "event_type": event.type,
        "message_key": str(event.key),
        "payload": payload,
        "headers": headers,
        "created_at": at,
        "processed_at": None,
    }


def metadata_of(event: Event, because: Cause) -> Metadata:
    known: Metadata = {
        "event-type": event.type,
        "schema-version": str(event.schema_version),
        "correlation-id": str(because.correlation_id),
        "traceparent": because.traceparent,
    }
    if because.causation_id is not None:
        known["causation-id"] = str(because.causation_id)
    return known


def ids_of(message: Message) -> dict[str, str]:
    """What finds a message's story in the logs; an event from elsewhere may have none of it."""
    correlation_id = _id_in(message, "correlation-id")
    found = {
        "correlation_id": correlation_id and str(correlation_id),
        "trace_id": tracing.trace_id(_traceparent(message)),
    }
    return {name: id for name, id in found.items() if id}


def message(row: RowMapping | Mapping[str, Any]) -> Message:  # columns of whatever types
    """What a relay sends of a row."""
    headers: Headers = tuple(
        (name, value.encode()) for name, value in loads(row["headers"]).items()
    )
    return Message(row["event_type"], row["message_key"].encode(), row["payload"], headers)


async def append(sql: AsyncConnection, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        await sql.execute(_APPEND, [dict(row) for row in rows])


async def unsent(sql: AsyncConnection, aggregate: str, *, above: int, limit: int) -> list[Unsent]:
    """Rows that nobody marked yet, lowest id first."""
    page = {"aggregate": aggregate, "above": above, "limit": limit}
    rows = await sql.execute(_UNSENT, page)
    return [Unsent(row.id, message(row._mapping), row.created_at) for row in rows]


async def keys_with_rows_up_to(
    sql: AsyncConnection, aggregate: str, last: int, rows: Sequence[Unsent]
) -> set[Key]:
    """Which keys of these rows, all above `last`, have an unsent row at or below it.

    1. A page up to id 501 was read. 2. Id 400 of a key is committed, and then its id 900.
    3. The next page, above 501, shows 900 alone: sending it would put it before 400.
    """
    if not last or not rows:
        return set()
    keys = sorted({row.message.key.decode() for row in rows})
    below = await sql.execute(_BELOW, {"aggregate": aggregate, "last": last, "keys": keys})
    return {(row.event_type, row.message_key.encode()) for row in below}


async def mark(sql: AsyncConnection, ids: Collection[int], at: datetime) -> None:
    """Mark rows as sent. Only after the broker's ack; then anyone may."""
    await sql.execute(_MARK, {"ids": list(ids), "at": at})


async def backlog(sql: AsyncConnection, aggregate: str) -> Backlog:
    rows, oldest = (await sql.execute(_BACKLOG, {"aggregate": aggregate})).one()
    return Backlog(rows, oldest)


async def purge(sql: AsyncConnection, aggregate: str, before: datetime, limit: int) -> int:
    """Delete rows sent before then, at most `limit`; how many."""
    old = (
        select(outbox.c.id)
        .where(outbox.c.aggregate == aggregate, outbox.c.processed_at < before)
        .order_by(outbox.c.id)
        .limit(limit)
    )
    ids = list((await sql.execute(old)).scalars())
    if ids:
        await sql.execute(delete(outbox).where(outbox.c.id.in_(ids)))
    return len(ids)


def decode(
    message: Message, events: Mapping[str, type[Event]] = BY_TYPE
) -> Envelope[Any]:  # of whatever event the topic has
    """Read an event back from its message. Raises Poison, saying what is wrong with it.

    An older version is brought up to the present one. A newer one is read as far as it is known here:
    a producer may be ahead of its consumers, and emits nothing that they could misread.
    """
    model = events.get(message.topic)
    if model is None:
        raise Poison(f"{message.topic} is not the topic of an event")
    if (type_ := _text(message, "event-type", model.type)) != model.type:
        raise Poison(f"an event of type {type_} on the topic {message.topic}")
    version = _text(message, "schema-version", "1")
    if not _VERSION.fullmatch(version):
        raise Poison(f"the schema version of {model.type} is {version!r}")
    try:
        event = model.model_validate(model.upcast(loads(message.value), int(version)))
        key_is_right = message.key == str(event.key).encode()
        cause = _cause(message, event)
    except ValidationError as invalid:
        known = f" of version {version}, read as {model.schema_version}"
        what = "" if version == str(model.schema_version) else known
        raise Poison(f"no {model.type}{what}: {_first(invalid)}") from None
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as malformed:
        raise Poison(f"undecodable: {malformed}") from None
    if not key_is_right:
        raise Poison(f"the key of {model.type} {event.key} is {message.key[:SHOWN_MAX]!r}")
    return Envelope(event, cause)


def _cause(message: Message, event: Event) -> Cause:
    """An event from elsewhere may come without metadata: then it begins a story of its own.

    What is there and cannot be right counts as not there. It must not be handed on: with 500 kB
    of `traceparent`, the events that follow from this one would be larger than any topic takes.
    """
    correlation_id = _id_in(message, "correlation-id") or event.event_id
    return Cause(
        correlation_id,
        causation_id=_id_in(message, "causation-id"),
        traceparent=tracing.carried(_traceparent(message), correlation_id, event.event_id),
    )


def _id_in(message: Message, name: str) -> UUID | None:
    header = message.header(name) or b""
    try:
        return UUID(header.decode("ascii")) if len(header) <= ID_BYTES_MAX else None
    except ValueError:
        return None


def _traceparent(message: Message) -> str:
    header = message.header("traceparent") or b""
    return header.decode("ascii", "replace") if len(header) <= SHOWN_MAX else ""


def _text(message: Message, name: str, otherwise: str) -> str:
    """A header as text, cut to what can be shown."""
    header = message.header(name)
    return otherwise if header is None else header[:SHOWN_MAX].decode("utf-8", "replace")


def _first(invalid: ValidationError) -> str:
    error = invalid.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, error['loc']))} {error['msg']}"
