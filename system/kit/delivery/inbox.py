"""The inbox: which events a service has handled, written in the effect's own transaction."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Index, Table, and_, bindparam, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from system.kit.columns import TABLE_OPTIONS, Timestamp, ascii_key, metadata
from system.kit.statements import among

processed_events = Table(
    "processed_events",
    metadata,
    # the service is part of the key: in one database, one service's work must not hide another's
    Column("event_id", ascii_key(36), primary_key=True),
    Column("service_name", ascii_key(50), primary_key=True),
    Column("processed_at", Timestamp, nullable=False),
    Index("processed_events_by_age", "service_name", "processed_at"),
    **TABLE_OPTIONS,
)

_KNOWN = select(processed_events.c.event_id).where(
    processed_events.c.service_name == bindparam("service"),
    among(processed_events.c.event_id),
)
_KNOWN_AT_ONCE = _KNOWN.with_for_update(read=True, nowait=True)
_REMEMBER = insert(processed_events)


async def known(
    sql: AsyncConnection, service: str, ids: Collection[UUID], *, waits: bool = True
) -> set[UUID]:
    """Those of these events that the service has handled.

    One that another process handles just now is not known yet: `remember` would wait for it. Who
    is not to wait is told here, by LockWaitTimeout.
    """
    statement = _KNOWN if waits else _KNOWN_AT_ONCE
    found = await sql.execute(statement, {"service": service, "ids": [str(id) for id in ids]})
    return {UUID(id) for id in found.scalars()}


async def remember(sql: AsyncConnection, service: str, ids: Collection[UUID], at: datetime) -> None:
    """Claim these events. Raises UniqueViolation, a Conflict, when someone else just has."""
    rows = [{"event_id": str(id), "service_name": service, "processed_at": at} for id in ids]
    await sql.execute(_REMEMBER, rows)


async def purge(sql: AsyncConnection, service: str, before: datetime, limit: int) -> int:
    """Forget events handled before then, at most `limit`; how many."""
    old = (
        select(processed_events.c.event_id)
        .where(processed_events.c.service_name == service, processed_events.c.processed_at < before)
        .limit(limit)
    )
    ids = list((await sql.execute(old)).scalars())
    if ids:
        await sql.execute(
            delete(processed_events).where(
                and_(
                    processed_events.c.service_name == service,
                    processed_events.c.event_id.in_(ids),
                )
            )
        )
    return len(ids)
