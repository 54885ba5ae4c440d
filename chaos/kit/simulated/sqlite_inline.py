"""SQLite for the virtual clock: the system's own inline connection, with a hop at each statement.

The dialect, the pool and the system's adapter around it are the real ones. Every statement and
both sides of every COMMIT are hops, where a fault can hit:

- an error breaks the connection, and the server rolls back whatever it had open;
- a conflict (deadlock, lock wait) undoes its statement alone and leaves the transaction open, as
  MySQL does: whoever then commits, commits half of it;
- writers wait for each other in virtual time, in turn, as they would for a row.
"""

from __future__ import annotations

import asyncio
import contextvars
import sqlite3
import struct
from collections import deque
from functools import cache
from pathlib import Path
from typing import Protocol, Self

from chaos.kit.points import Hop
from chaos.kit.simulated.faults import Ghost
from system.kit.adapters.sql.sqlite_inline import (
    LOCK_WAIT_S,
    InlineConnection,
    InlineCursor,
    Parameters,
    WriteLock,
    open_file,
)
from system.kit.errors import Conflict, Unavailable

ARRIVES_S = 0.4
"""So long is a COMMIT on its way whose sender is gone."""
CHANGE_COUNTERS = (24, 92)
"""Where a file of SQLite's counts its COMMITs."""
CHANGES_MAX = 100_000
"""More COMMITs than any run makes."""
STATEMENTS_MAX = 1_000
"""More than a system has: a connection serves one process after the other."""


class Hops(Protocol):
    """Where a statement of one process passes on its way to the server and back."""

    async def at(self, call: str, hop: Hop) -> None:
        """Raises Unavailable or Conflict when a fault hits."""
        ...


class File:
    """A file that each run finds as it was given, and the connections to it, which are kept.

    To open one, to read its schema and to prepare its statements takes far longer than to run them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[sqlite3.Connection] = []
        self._changes = 0

    @property
    def uri(self) -> str:
        """Without locks of SQLite's own: writers queue up here, and a fork shares none."""
        return f"{self.path.as_uri()}?nolock=1"

    def fill(self, content: bytes) -> None:
        """Write it anew. What connections remember of it is outdated from then on.

        They see that by a number that each COMMIT counts up, and which the format has in two places
        (https://sqlite.org/fileformat2.html, "File change counter"). Counted on from the last run's
        alone, it would be one that some connection has seen already, of other pages.
        """
        self._changes = (self._changes + CHANGES_MAX) % 2**32
        pages = bytearray(content)
        for place in CHANGE_COUNTERS:
            struct.pack_into(">I", pages, place, self._changes)
        self.path.write_bytes(pages)

    def take(self) -> sqlite3.Connection:
        if self._idle:
            return self._idle.pop()
        return open_file(self.uri, timeout_s=0, statements=STATEMENTS_MAX)

    def give_back(self, connection: sqlite3.Connection) -> None:
        """Let the next one have it; an open transaction is rolled back."""
        connection.rollback()
        self._idle.append(connection)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


class Database:
    """What a server is to its clients: a file, and the write lock that they queue up for."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.connections: dict[SimulatedConnection, None] = {}  # in order, unlike a set
        self._holder: SimulatedConnection | None = None
        self._ghosts: dict[SimulatedConnection, sqlite3.Connection] = {}
        self._waiting: deque[tuple[SimulatedConnection, asyncio.Future[None]]] = deque()

    def connect(self, hops: Hops, lock: WriteLock) -> SimulatedConnection:
        """A connection of the process that has these hops, and this lock for its writers."""
        connection = SimulatedConnection(self, hops, lock)
        self.connections[connection] = None
        return connection

    async def lock(self, connection: SimulatedConnection) -> None:
        """Wait in turn for the write lock. Raises sqlite3's BUSY past the lock wait."""
        if self._holder in (None, connection):
            self._holder = connection
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((connection, turn))
        try:
            async with asyncio.timeout(LOCK_WAIT_S):
                await turn
        except TimeoutError:
            if self._holder is not connection:  # unless our turn came in the same moment
                raise _error("database is locked", "SQLITE_BUSY") from None

    def haunt(self, connection: SimulatedConnection) -> None:
        """Commit what this client has sent, a while after it is gone; its locks stay till then."""
        self.connections.pop(connection, None)
        ghost = self._ghosts[connection] = connection.give_up()

        def arrive() -> None:
            ghost.execute("COMMIT")
            self._lay(connection)

        outside = contextvars.Context()  # the server's, whoever else may die
        asyncio.get_running_loop().call_later(ARRIVES_S, arrive, context=outside)

    def _lay(self, connection: SimulatedConnection) -> None:
        if (ghost := self._ghosts.pop(connection, None)) is not None:
            self.file.give_back(ghost)
            self.unlock(connection)

    def unlock(self, connection: SimulatedConnection) -> None:
        if self._holder is not connection or connection in self._ghosts:
            return
        self._holder = None
        while self._waiting and self._holder is None:
            next_one, turn = self._waiting.popleft()
            if not turn.done() and next_one.is_open:
                self._holder = next_one
                turn.set_result(None)

    @property
    def is_quiet(self) -> bool:
        """Whether no transaction that writes is open."""
        return self._holder is None

    def in_transaction(self, hops: Hops) -> list[SimulatedConnection]:
        """The connections of one process that have a transaction open."""
        return [
            connection
            for connection in self.connections
            if connection.hops is hops and connection.raw.in_transaction
        ]

    def drop(self, hops: Hops | None = None) -> None:
        """End all connections, or those of one process."""
        for connection in list(self.connections):
            if hops is None or connection.hops is hops:
                connection.stop()
        if hops is None:
            for connection in list(self._ghosts):
                self._lay(connection)


class SimulatedConnection(InlineConnection):
    """A connection of one process to the simulated server."""

    def __init__(self, database: Database, hops: Hops, lock: WriteLock) -> None:
        super().__init__(database.file.take(), lock, synced=False)
        self.hops = hops
        self._database = database

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    def cursor(self) -> InlineCursor:
        return SimulatedCursor(self)

    async def _take_turn(self) -> None:
        """Within the process, and then among those of others."""
        await super()._take_turn()
        await self._database.lock(self)

    @property
    def raw(self) -> sqlite3.Connection:
        if self._connection is None:
            raise _error("the connection is broken", "SQLITE_IOERR")
        return self._connection

    async def commit(self) -> None:
        if not self.raw.in_transaction:
            return
        await self.hop("sql.commit", Hop.REQUEST)
        self.raw.execute("COMMIT")
        self._database.unlock(self)
        await self.hop("sql.commit", Hop.REPLY)
        self._lock.release(self)

    async def rollback(self) -> None:
        if self._connection is not None:
            self._connection.rollback()
        self._database.unlock(self)
        self._lock.release(self)

    def give_up(self) -> sqlite3.Connection:
        """Leave what is open to the server."""
        left, self._connection = self.raw, None
        return left

    def stop(self) -> None:
        """End it as a server sees a client go: what was open is rolled back."""
        if self._connection is not None:
            self._database.file.give_back(self.give_up())
        super().stop()
        self._database.connections.pop(self, None)
        self._database.unlock(self)

    async def hop(self, call: str, hop: Hop) -> None:
        """Pass a fault point. Its errors look as the driver's do."""
        try:
            await self.hops.at(call, hop)
        except Ghost as ghost:
            self._database.haunt(self)
            raise _error(str(ghost), "SQLITE_IOERR") from None
        except Unavailable as away:
            self.stop()
            raise _error(str(away), "SQLITE_IOERR") from None
        except Conflict as conflict:
            raise _error(str(conflict), "SQLITE_BUSY") from None


class SimulatedCursor(InlineCursor):
    """A cursor whose statements run at once, after their hop."""

    _connection: SimulatedConnection

    def __init__(self, connection: SimulatedConnection) -> None:
        super().__init__(connection, connection.raw.cursor())

    async def execute(self, statement: str, parameters: Parameters = ()) -> Self:
        if statement.startswith("PRAGMA journal_mode"):
            statement = "PRAGMA journal_mode = MEMORY"  # one file is all, and copied as it is
        return await super().execute(statement, parameters)

    async def close(self) -> None:
        if self._connection.is_open:
            await super().close()

    async def _before(self, statement: str) -> None:
        if statement.startswith("PRAGMA"):
            return
        await super()._before(statement)
        await self._connection.hop(name_of(statement), Hop.REQUEST)
        _ = self._connection.raw  # raises when the server has ended a ghost meanwhile


@cache
def name_of(statement: str) -> str:
    """The name of a statement's hop: `sql.update-stock`."""
    words = statement.replace("(", " ").split()
    verb = words[0].lower()
    marker = {"select": "FROM", "insert": "INTO", "update": "UPDATE", "delete": "FROM"}.get(verb)
    if marker is None or marker not in words:
        return f"sql.{verb}"
    return f"sql.{verb}-{words[words.index(marker) + 1].strip(',')}"


def _error(text: str, name: str) -> sqlite3.OperationalError:
    """An error as sqlite3 would raise it."""
    error = sqlite3.OperationalError(text)
    error.sqlite_errorname = name
    return error
