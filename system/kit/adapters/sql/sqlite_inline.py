"""SQLite inside the event loop, in the shape that SQLAlchemy's aiosqlite dialect wants.

aiosqlite gives each connection a thread, and each statement four trips to it and back. A
statement here takes microseconds, far less than one trip: so it runs where it is. Only a COMMIT
that waits for the disk goes to a thread. Without threads the same code also runs on a virtual
clock, step by step the same on each run.

SQLite has one lock for all who write, and polls for it with growing sleeps. So writers queue up here
instead, at the first statement that writes or locks rows, and not at the transaction's start: what
was read before without a lock can be outdated, as it can be on MySQL, and no test is fooled.

The engine asks for it by `async_creator`; the simulation puts its fault points around it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Self

from sqlalchemy.dialects.sqlite.base import SQLiteCompiler

from system.kit.errors import StoreBusy

LOCK_WAIT_S = 3.0
WRITES = ("INSERT", "UPDATE", "DELETE")
FOR_UPDATE = "/* FOR UPDATE */"

Parameters = Sequence[Any]  # whatever SQLite can store
Rows = list[tuple[Any, ...]]


class Compiler(SQLiteCompiler):
    """SQLAlchemy's, which drops FOR UPDATE for SQLite: here it stays, as a comment for the cursor."""

    def for_update_clause(self, select: Any, **_: Any) -> str:  # as the one that it overrides
        return f" {FOR_UPDATE}"


def needs_lock(statement: str) -> bool:
    """Whether it writes, or locks what it reads."""
    return statement.startswith(WRITES) or statement.endswith(FOR_UPDATE)


class WriteLock:
    """Held by one connection at a time, fairly."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._holder: InlineConnection | None = None

    async def take(self, connection: InlineConnection) -> None:
        """Raises StoreBusy."""
        if self._holder is connection:
            return
        try:
            async with asyncio.timeout(LOCK_WAIT_S):
                await self._lock.acquire()
        except TimeoutError:
            raise StoreBusy("another transaction writes for too long") from None
        self._holder = connection

    def release(self, connection: InlineConnection) -> None:
        if self._holder is connection:
            self._holder = None
            self._lock.release()


class InlineCursor:
    """A cursor whose calls are done when they return."""

    def __init__(self, connection: InlineConnection, cursor: sqlite3.Cursor) -> None:
        self._connection = connection
        self._cursor = cursor
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    @property
    def description(self) -> Any:  # DBAPI's seven-tuples
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._cursor.lastrowid

    async def execute(self, statement: str, parameters: Parameters = ()) -> Self:
        await self._before(statement)
        self._cursor.execute(statement, parameters)
        return self

    async def _before(self, statement: str) -> None:
        if needs_lock(statement):
            await self._connection.begin()

    async def executemany(self, statement: str, parameters: Iterable[Parameters]) -> Self:
        await self._before(statement)
        self._cursor.executemany(statement, parameters)
        return self

    async def fetchone(self) -> Any:  # a row, or None
        return self._cursor.fetchone()

    async def fetchmany(self, size: int | None = None) -> Rows:
        return self._cursor.fetchmany(size or self.arraysize)

    async def fetchall(self) -> Rows:
        return self._cursor.fetchall()

    async def close(self) -> None:
        self._cursor.close()


def open_file(path: str, *, timeout_s: float, statements: int = 128) -> sqlite3.Connection:
    """A connection that keeps so many statements prepared, and begins nothing by itself."""
    return sqlite3.connect(
        path,
        isolation_level=None,  # `begin` does, at the first write
        timeout=timeout_s,
        check_same_thread=False,
        uri=True,
        cached_statements=statements,
    )


class InlineConnection:
    """A connection to a file; `synced` if its COMMIT waits for the disk."""

    def __init__(self, opened: sqlite3.Connection, lock: WriteLock, *, synced: bool) -> None:
        self._lock = lock
        self._synced = synced
        self._connection: sqlite3.Connection | None = opened

    def __await__(self) -> Generator[Any, None, Self]:
        return self._itself().__await__()

    async def _itself(self) -> Self:
        return self

    @property
    def raw(self) -> sqlite3.Connection:
        if self._connection is None:
            raise sqlite3.OperationalError("connection closed")
        return self._connection

    @property
    def isolation_level(self) -> str | None:
        return self.raw.isolation_level

    def cursor(self) -> InlineCursor:
        return InlineCursor(self, self.raw.cursor())

    async def execute(self, statement: str, parameters: Parameters = ()) -> InlineCursor:
        return await self.cursor().execute(statement, parameters)

    async def create_function(
        self, name: str, arguments: int, function: Callable[..., Any], **options: bool
    ) -> None:
        self.raw.create_function(name, arguments, function, **options)

    async def begin(self) -> None:
        """Be the one who writes, until COMMIT, ROLLBACK or the connection's end. Raises StoreBusy."""
        if not self.raw.in_transaction:
            await self._take_turn()
            self.raw.execute("BEGIN IMMEDIATE")

    async def _take_turn(self) -> None:
        await self._lock.take(self)

    async def commit(self) -> None:
        if self._synced and self.raw.in_transaction:
            await asyncio.to_thread(self.raw.commit)
        else:
            self.raw.commit()
        self._lock.release(self)

    async def rollback(self) -> None:
        self.raw.rollback()
        self._lock.release(self)

    async def close(self) -> None:
        self.stop()

    def stop(self) -> None:
        """Close at once; an open transaction is rolled back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._lock.release(self)
