"""How transactions lock rows: in one order, and never waiting for long with others' rows in hand.

**The one order**: keys of commands, inbox, then the tables of the domains in an order that they agree
on, outbox; within each by id. No two transactions then wait for each other.

**Waiting.** A row that another transaction has locked holds up only what needs it. So a transaction that
holds rows already waits `PATIENCE_S` for one more. Past that it rolls back, waits for that row in a
transaction that holds nothing else, and begins again:

    1. another transaction locks account 7, and stalls
    2. a batch locks account 3 and asks for account 7
    3. 0.2 s later: RowLocked. The batch rolls back, and account 3 is free for its neighbours
    4. the batch waits for account 7 alone, 0.2 s at a time, and begins again as soon as it is free
    5. a second later it is still locked: those events that need it wait; all others are done

A transaction that strangers share, such as that of commands that came together, does not wait at all:
`take_free` says which rows are locked, and those that need them wait elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Table, TableClause, bindparam, select

from system.kit.errors import Conflict, LockWaitTimeout
from system.kit.ports.work import UnitOfWork
from system.kit.statements import among

PATIENCE_S = 0.2
"""Far longer than a transaction takes; far shorter than a client waits."""
LOCK_WAIT_OPTION = "lock_wait_s"
"""The execution option that bounds one statement's wait; without it the session's 3 s hold."""

Key = ColumnElement[Any]  # of whole numbers or of text
Id = int | str


@dataclass(frozen=True, slots=True)
class Place:
    """One row, there or about to be, and how it is wanted."""

    table: str
    id: Id
    exclusive: bool
    key: Key = field(compare=False, repr=False)


class RowLocked(LockWaitTimeout):
    """Another transaction has locked this row for longer than may be waited with rows in hand."""

    def __init__(self, place: Place) -> None:
        super().__init__(f"row {place.id} of {place.table} is locked by another transaction")
        self.place = place


@dataclass(frozen=True, slots=True)
class Lock:
    """Statements that lock some rows of a table, made once."""

    table: str
    key: Key
    exclusive: bool
    patient: Select[Any]
    """Waits, for `PATIENCE_S` at most."""
    hasty: Select[Any]
    """Fails at once for a row that is locked."""
    skipping: Select[Any]
    """Leaves out rows that are locked."""

    def place(self, id: Id) -> Place:
        return Place(self.table, id, self.exclusive, self.key)


def exclusive(table: Table | TableClause, key: Key) -> Lock:
    """Lock rows to change them."""
    return _lock(table, key, exclusive=True)


def shared(table: Table | TableClause, key: Key) -> Lock:
    """Lock rows so that they stay as they are; any number of transactions may do so at once."""
    return _lock(table, key, exclusive=False)


def _lock(table: Table | TableClause, key: Key, *, exclusive: bool) -> Lock:
    plain = select(table).where(among(key)).order_by(key)
    read = not exclusive
    return Lock(
        table.name,
        key,
        exclusive,
        patient=plain.with_for_update(read=read).execution_options(
            **{LOCK_WAIT_OPTION: PATIENCE_S}
        ),
        hasty=plain.with_for_update(read=read, nowait=True),
        skipping=plain.with_for_update(read=read, skip_locked=True),
    )


async def take(unit: UnitOfWork, lock: Lock, ids: Collection[Id]) -> Sequence[Row[Any]]:
    """Lock these rows, in the order of their ids; those that are not there are left out.

    Raises RowLocked, in a unit that is not to wait at once. It names a row that is locked still, or,
    where all are free again by now, the first: whoever then waits for it begins again at once.
    """
    if not ids:
        return ()
    statement = lock.patient if unit.waits else lock.hasty
    try:
        return list(await unit.sql.execute(statement, {"ids": sorted(ids)}))
    except LockWaitTimeout:
        _, places = await _one_by_one(unit, lock, ids, at_most=1)
        raise RowLocked(places[0] if places else lock.place(min(ids))) from None


async def take_free(
    unit: UnitOfWork, lock: Lock, ids: Collection[Id]
) -> tuple[Sequence[Row[Any]], Sequence[Place]]:
    """Lock those of these rows that are free, and say which are not. Never waits.

    What others have inserted and not committed yet is not free either.
    """
    if not ids:
        return (), ()
    try:
        return list(await unit.sql.execute(lock.hasty, {"ids": sorted(ids)})), ()
    except LockWaitTimeout:
        return await _one_by_one(unit, lock, ids, at_most=len(ids))


async def _one_by_one(
    unit: UnitOfWork, lock: Lock, ids: Collection[Id], *, at_most: int
) -> tuple[Sequence[Row[Any]], Sequence[Place]]:
    """Lock in one statement what is free and there; ask for each of the rest, which may be neither.

    Until so many are found locked: each is asked for by a statement of its own.
    """
    rows = list(await unit.sql.execute(lock.skipping, {"ids": sorted(ids)}))
    places: list[Place] = []
    for id in sorted(set(ids) - {row[0] for row in rows}):  # a table's first column is its key
        if len(places) == at_most:
            break
        try:
            rows += await unit.sql.execute(lock.hasty, {"ids": [id]})
        except LockWaitTimeout:
            places.append(lock.place(id))
    return rows, places


async def wait_for(unit: UnitOfWork, place: Place, *, briefly: bool = False) -> None:
    """Wait until this row is free, as long as a session waits; past that it is a Conflict.

    For a transaction that holds nothing yet. `briefly`: for `PATIENCE_S` at most, past that RowLocked.
    """
    row = select(place.key).where(place.key == bindparam("id"))
    row = row.with_for_update(read=not place.exclusive)
    if briefly:
        row = row.execution_options(**{LOCK_WAIT_OPTION: PATIENCE_S})
    try:
        await unit.sql.execute(row, {"id": place.id})
    except LockWaitTimeout as late:
        raise (RowLocked(place) if briefly else Conflict(str(late))) from None
