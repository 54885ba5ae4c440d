"""What a command leaves in its own transaction, so that a repeated request or a lost answer can be decided.

Two kinds of rows. A *key* row is a client's Idempotency-Key: it holds the answer, which a repeated
request gets again. A *commit marker* is made by the server, one per transaction: when the answer to
COMMIT was lost, whether the marker is there says whether the commit happened.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, Integer, Table, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from system.kit import locks
from system.kit.columns import TABLE_OPTIONS, Bytes, Timestamp, ascii_key, metadata
from system.kit.commands.command import Answer
from system.kit.locks import Place
from system.kit.ports.work import UnitOfWork
from system.kit.statements import among
from system.kit.values import dumps, loads

commands = Table(
    "commands",
    metadata,
    Column("id", ascii_key(64), primary_key=True),
    Column("body_hash", ascii_key(64)),
    Column("status", Integer),
    Column("headers", Bytes),
    Column("body", Bytes),
    Column("created_at", Timestamp, nullable=False, index=True),
    **TABLE_OPTIONS,
)

_ARE_THESE = among(commands.c.id)
_KEYS = locks.shared(commands, commands.c.id)
_CLAIM = insert(commands)
_KEEP = update(commands).where(commands.c.id == bindparam("key"))
_DELETE = delete(commands).where(_ARE_THESE)


@dataclass(frozen=True, slots=True)
class Stored:
    """The answer that a key stands for, and the fingerprint of what it was given for."""

    fingerprint: str
    answer: Answer


def commit_marker(id: UUID) -> str:
    return id.hex


async def answers(
    unit: UnitOfWork, ids: Collection[str]
) -> tuple[dict[str, Stored], dict[str, Place]]:
    """The answers that these keys have already, and the keys that others have in hand.

    It waits for none of them.
    """
    if not ids:
        return {}, {}
    rows, locked = await locks.take_free(unit, _KEYS, ids)
    stored = {
        row.id: Stored(row.body_hash, Answer(row.status, row.body, loads(row.headers)))
        for row in rows
        if row.status is not None
    }
    return stored, {str(place.id): place for place in locked}


async def claim(unit: UnitOfWork, commit_marker: str, keys: Mapping[str, str]) -> None:
    """Insert the marker, and each key with its fingerprint.

    A second request with the same key waits here for the first, unless `answers` has seen it.
    Raises UniqueViolation when the first has committed meanwhile, LockWaitTimeout when it takes
    too long.
    """
    made = {"status": None, "headers": None, "body": None, "created_at": unit.now.at}
    rows = [{"id": commit_marker, "body_hash": None, **made}]
    rows += [{"id": key, "body_hash": text, **made} for key, text in sorted(keys.items())]
    await unit.sql.execute(_CLAIM, rows)


async def keep(unit: UnitOfWork, answered: Mapping[str, Answer]) -> None:
    """Store what is answered to each key. Only successes are kept."""
    rows = [
        {
            "key": key,
            "status": answer.status,
            "headers": dumps(dict(answer.headers)),
            "body": answer.body,
        }
        for key, answer in answered.items()
    ]
    if rows:
        await unit.sql.execute(_KEEP, rows)


async def let_go(unit: UnitOfWork, keys: Sequence[str]) -> None:
    """Free the keys of refused commands, whose neighbours in the transaction succeed."""
    if keys:
        await unit.sql.execute(_DELETE, {"ids": list(keys)})


async def purge(sql: AsyncConnection, before: datetime, limit: int) -> int:
    """Forget what was answered before then, at most `limit` rows; how many."""
    old = select(commands.c.id).where(commands.c.created_at < before).limit(limit)
    ids = list((await sql.execute(old)).scalars())
    if ids:
        await sql.execute(_DELETE, {"ids": ids})
    return len(ids)
