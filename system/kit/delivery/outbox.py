"""The outbox: events stored in the state change's own transaction, until a relay has sent them.

Rows of one aggregate are inserted after that aggregate's row is locked, so for them the order of
ids is the order of commits. Across aggregates it is not: id 11 may be visible before id 10, so
nobody may read with a cursor. What is unsent is `processed_at IS NULL`, from the lowest id on.

A row stands in a lane: its topic, and which of twelve its key belongs to. All rows of one topic and
key share a lane, so lanes need no order among each other, and each is read by itself. What waits
in one of them, for a partition that is away, is then not even looked at when others are read.
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
    Row,
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

from system.kit import tracing
from system.kit.columns import TABLE_OPTIONS, Bytes, Id, Timestamp, ascii_key, metadata
from system.kit.errors import Poison
from system.kit.events import Cause, Envelope, Event
from system.kit.ports.log import Headers, Message
from system.kit.ports.partitioner import partition_number
from system.kit.statements import among
from system.kit.values import UuidText, dumps, loads

EVENT_BYTES_MAX = 256 * 1024
"""With its headers."""
ID_BYTES_MAX = 45
"""Of a UUID in its longest form: `urn:uuid:` before it."""
SHOWN_MAX = 200
"""More of a stranger's header or key is in no text, and no longer `traceparent` is understood."""
LANES = 12
"""Of each topic. Made by Kafka's own hash: where a topic's partitions divide twelve, a lane never has
keys of two of them, and what waits for one partition holds up no other. With other numbers a lane
has keys of several, and they wait for each other; the order of a key never depends on it.
"""
_VERSION = re.compile("[1-9][0-9]{0,5}")

outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("aggregate", ascii_key(50), nullable=False),
    Column("event_type", ascii_key(100), nullable=False),
    Column("message_key", ascii_key(20), nullable=False),
    Column("lane", ascii_key(104), nullable=False),
    # bytes, not JSON: MySQL's JSON type rewrites numbers, and what is sent must be what was stored
    Column("payload", Bytes, nullable=False),
    Column("headers", Bytes, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("processed_at", Timestamp),
    Index("outbox_unsent", "aggregate", "processed_at", "lane", "id"),
    **TABLE_OPTIONS,
)

_APPEND = insert(outbox)
_IS_UNSENT = and_(outbox.c.aggregate == bindparam("aggregate"), outbox.c.processed_at.is_(None))
_UNSENT = (
    # an index of its own choice is, in a large backlog, the table from its beginning on
    select(
        *(outbox.c.id, outbox.c.lane, outbox.c.event_type),
        *(outbox.c.message_key, outbox.c.payload, outbox.c.headers),
    )
    .with_hint(outbox, "FORCE INDEX (outbox_unsent)", "mysql")
    .with_hint(outbox, "FORCE INDEX (outbox_unsent)", "mariadb")
    .where(_IS_UNSENT)
    .order_by(outbox.c.lane, outbox.c.id)
    .limit(bindparam("limit"))
)
_UNSENT_BESIDE = _UNSENT.where(outbox.c.lane.not_in(bindparam("lanes", expanding=True)))
_UNSENT_IN = _UNSENT.where(outbox.c.lane == bindparam("lane"))
_FREE = (
    select(outbox.c.id)
    .with_hint(outbox, "FORCE INDEX (PRIMARY)", "mysql")
    .with_hint(outbox, "FORCE INDEX (PRIMARY)", "mariadb")
    .where(among(outbox.c.id))
    .with_for_update(skip_locked=True)
)
_MARK = update(outbox).where(among(outbox.c.id)).values(processed_at=bindparam("at"))
_STILL_UNSENT = select(outbox.c.id).where(among(outbox.c.id), outbox.c.processed_at.is_(None))
_OLD = (
    select(outbox.c.id)
    .where(outbox.c.aggregate == bindparam("aggregate"))
    .where(outbox.c.processed_at < bindparam("before"))
    .order_by(outbox.c.processed_at)  # the index's own order: to sort would be to read them all
    .limit(bindparam("limit"))
)
_DELETE = delete(outbox).where(among(outbox.c.id))
_BACKLOG = select(func.count(), func.min(outbox.c.id)).where(_IS_UNSENT)  # the index alone
_CREATED_AT = select(outbox.c.created_at).where(outbox.c.id == bindparam("id"))

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


@dataclass(frozen=True, slots=True)
class Unsent:
    id: int
    lane: str
    message: Message
    error: Poison | None = None
    """Why its message cannot be sent as it is: somebody has written the row by hand."""


@dataclass(frozen=True, slots=True)
class Backlog:
    rows: int
    oldest: datetime | None


def row(event: Event, because: Cause, at: datetime) -> dict[str, object]:
    """The outbox row of an event. Raises ValueError for one that no relay could send."""
    payload, headers = dumps(event.model_dump()), dumps(metadata_of(event, because))
    if (size := len(payload) + len(headers)) > EVENT_BYTES_MAX:
        raise ValueError(f"{event.type} {event.key} has {size} bytes, over 256 kB")
    key = str(event.key)
    return {
        "aggregate": event.aggregate,
        "event_type": event.type,
        "message_key": key,
        "lane": f"{event.type}/{partition_number(key.encode(), LANES)}",
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


async def unsent(
    sql: AsyncConnection, aggregate: str, *, limit: int, beside: Collection[str] = ()
) -> list[Unsent]:
    """Rows that nobody marked yet, but those of the lanes `beside`: lane by lane, lowest id first."""
    page: dict[str, object] = {"aggregate": aggregate, "limit": limit}
    if beside:
        rows = await sql.execute(_UNSENT_BESIDE, page | {"lanes": sorted(beside)})
    else:
        rows = await sql.execute(_UNSENT, page)
    return [_unsent(row) for row in rows]


async def unsent_in(sql: AsyncConnection, aggregate: str, lane: str, *, limit: int) -> list[Unsent]:
    """The lowest rows of one lane that nobody marked yet."""
    page = {"aggregate": aggregate, "lane": lane, "limit": limit}
    return [_unsent(row) for row in await sql.execute(_UNSENT_IN, page)]


async def mark_published(sql: AsyncConnection, ids: Collection[int], at: datetime) -> set[int]:
    """Mark rows as sent; which are left, because another transaction has locked them.

    Only after the broker's ack; then anyone may. To skip what is locked is right here, and would
    be wrong where rows are read to be sent: these are in the log already, so their order is settled.
    """
    free = await _free(sql, ids)
    if free:
        await sql.execute(_MARK, {"ids": sorted(free), "at": at})
    if not (others := set(ids) - free):
        return set()
    return set((await sql.scalars(_STILL_UNSENT, {"ids": sorted(others)})).all())


async def _free(sql: AsyncConnection, ids: Collection[int]) -> set[int]:
    """Those that no other transaction has locked, locked now by this one."""
    if sql.dialect.name == "sqlite":  # it locks no rows: who writes has it to itself
        return set(ids)
    return set((await sql.scalars(_FREE, {"ids": list(ids)})).all())


async def backlog(sql: AsyncConnection, aggregate: str) -> Backlog:
    rows, lowest = (await sql.execute(_BACKLOG, {"aggregate": aggregate})).one()
    return Backlog(rows, await sql.scalar(_CREATED_AT, {"id": lowest}) if rows else None)


async def purge(sql: AsyncConnection, aggregate: str, before: datetime, limit: int) -> int:
    """Delete rows sent before then, at most `limit`; how many."""
    old = {"aggregate": aggregate, "before": before, "limit": limit}
    ids = (await sql.scalars(_OLD, old)).all()
    if ids:
        await sql.execute(_DELETE, {"ids": ids})
    return len(ids)


def decode(
    message: Message, events: Mapping[str, type[Event]]
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


def _unsent(row: Row[*tuple[Any, ...]]) -> Unsent:
    try:
        return Unsent(row.id, row.lane, message(row._mapping))
    except (ValueError, TypeError, AttributeError) as malformed:
        bare = Message(row.event_type, row.message_key.encode(), row.payload, ())
        error = Poison(f"its headers cannot be read: {malformed}")
        return Unsent(row.id, row.lane, bare, error)
