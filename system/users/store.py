"""The users' table. No decision is made here."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Integer, Row, Select, String, Table, delete, select, update

from system.kit import locks
from system.kit.columns import TABLE_OPTIONS, Id, Timestamp, metadata
from system.kit.errors import ReferenceViolation, UniqueViolation
from system.kit.ports.work import UnitOfWork
from system.kit.statements import row_of
from system.users.model import EmailTaken, RegisterUser, User, UserHasOrders, begun

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("name", String(255), nullable=False),
    Column("email", String(254), nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    **TABLE_OPTIONS,
)

_INSERTED = ("name", "email", "version", "created_at", "updated_at")
_CHANGING = ("name", "email", "version", "updated_at")
_LOCK = locks.exclusive(users, users.c.id)


async def insert(unit: UnitOfWork, command: RegisterUser) -> int:
    try:
        (id,) = await unit.insert(users, [row_of(begun(0, command, unit.now), _INSERTED)])
    except UniqueViolation:
        raise EmailTaken(f"{command.email} is another user's email address") from None
    return id


async def find(unit: UnitOfWork, id: int) -> User | None:
    return await _one(unit, select(users).where(users.c.id == id))


async def lock(unit: UnitOfWork, id: int) -> User | None:
    rows = await locks.take(unit, _LOCK, [id])
    return _user(rows[0]) if rows else None


async def page(unit: UnitOfWork, *, after: int, limit: int) -> list[User]:
    statement = select(users).where(users.c.id > after).order_by(users.c.id).limit(limit)
    return [_user(row) for row in await unit.sql.execute(statement)]


async def save(unit: UnitOfWork, user: User) -> None:
    try:
        await unit.sql.execute(
            update(users).where(users.c.id == user.id).values(row_of(user, _CHANGING))
        )
    except UniqueViolation:
        raise EmailTaken(f"{user.email} is another user's email address") from None


async def remove(unit: UnitOfWork, id: int) -> None:
    try:
        await unit.sql.execute(delete(users).where(users.c.id == id))
    except ReferenceViolation:
        raise UserHasOrders(f"orders refer to user {id}") from None


async def _one(unit: UnitOfWork, statement: Select[Any]) -> User | None:
    row = (await unit.sql.execute(statement)).one_or_none()
    return None if row is None else _user(row)


def _user(row: Row[Any]) -> User:
    return User(**row._mapping)
