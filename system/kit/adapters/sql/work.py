"""The write model on SQLAlchemy: SQLite for the embedded stack, MySQL or MariaDB on servers.

One model, one code, another URL. What differs is here: how a transaction takes its locks, how
errors get their kind, how a multi-row insert tells its ids.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from math import ceil
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Dialect, Table, event, false, literal, select, text
from sqlalchemy import exc as sqlalchemy_errors
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, QueuePool

from system.kit import errors
from system.kit.adapters.sql.sqlite_inline import (
    LOCK_WAIT_S,
    Compiler,
    InlineConnection,
    WriteLock,
    open_file,
)
from system.kit.columns import Hexadecimal, metadata
from system.kit.delivery import outbox
from system.kit.events import Cause, Event
from system.kit.locks import LOCK_WAIT_OPTION
from system.kit.ports.work import Row, UnitOfWork
from system.kit.ports.world import Now, World

SQLITE_BUSY_S = 0.05
"""SQLite waits for another process inside of a call, and so holds up the whole loop."""
MYSQL_SESSION = (
    "SET SESSION innodb_lock_wait_timeout = 3, wait_timeout = 30,"
    " sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00'"
)
"""A ghost connection frees its row locks within 30 s; the default is 8 hours."""
POOL_RECYCLE_S = 20
CLOSE_S = 2.0
"""The bound on throwing a connection away."""
MYSQL_LEAST = (8, 0)
MARIADB_LEAST = (10, 6)
VARIABLES = {
    "auto_increment_increment": (1, "or the ids of several rows inserted at once are not known"),
    "innodb_rollback_on_timeout": (
        0,
        "or who waits for a locked row loses all of a transaction, and goes on within another",
    ),
}
"""What each must be, and why."""
TABLES_WAIT_S = 10.0
"""How long to wait while another process makes the tables."""
LOCK_NAME_MAX = 64
PLACEHOLDER = {"qmark": "?", "format": "%s"}

log = logging.getLogger(__name__)

Committed = Callable[[Collection[str]], None]
"""Told the aggregates whose events were just committed."""


class SqlUnitOfWork:
    """An open transaction."""

    def __init__(self, sql: AsyncConnection, now: Now) -> None:
        self.sql = sql
        self.now = now
        self.waits = True
        self.commit_sent = False
        self._outbox: list[dict[str, object]] = []

    @property
    def aggregates(self) -> set[str]:
        """Whose events this transaction emits."""
        return {str(row["aggregate"]) for row in self._outbox}

    def emit(self, event: Event, *, because: Cause) -> None:
        self._outbox.append(outbox.row(event, because, self.now.at))

    async def insert(self, table: Table, rows: Sequence[Row]) -> Sequence[int]:
        """One explicit VALUES statement: its ids are consecutive, on SQLite and on InnoDB."""
        head, place, binds = _insertion(self.sql.dialect, table, tuple(rows[0]))
        values = tuple(bind(row[name]) for row in rows for name, bind in binds)
        statement = head + ", ".join([place] * len(rows))
        last = (await self.sql.exec_driver_sql(statement, values)).lastrowid
        first = last - len(rows) + 1 if self.sql.dialect.name == "sqlite" else last
        return range(first, first + len(rows))

    async def update_each(self, table: Table, rows: Sequence[Row]) -> None:
        """One CASE for each column: a list of parameters would be one trip to the server for each row."""
        if not rows:
            return
        key, *names = rows[0]
        binds = dict(_binds(self.sql.dialect, table, (key, *names)))
        keys = [binds[key](row[key]) for row in rows]
        values = [
            part
            for name in names
            for id, row in zip(keys, rows, strict=True)
            for part in (id, binds[name](row[name]))
        ]
        statement = _revaluation(self.sql.dialect, table, key, names, len(rows))
        await self.sql.exec_driver_sql(statement, (*values, *keys))

    async def commit(self) -> None:
        await outbox.append(self.sql, self._outbox)
        self.commit_sent = True
        await self.sql.commit()


Bind = Callable[[Any], Any]  # from a column's Python type to what the driver takes


@cache
def _insertion(
    dialect: Dialect, table: Table, names: tuple[str, ...]
) -> tuple[str, str, Sequence[tuple[str, Bind]]]:
    """The parts of an INSERT: its head, the place of one row, and how each value is bound.

    SQLAlchemy compiles one of several rows anew each time: 2.6 ms for 20 rows, within the hottest
    transaction.
    """
    quoting = dialect.identifier_preparer
    columns = ", ".join(map(quoting.quote, names))
    place = ", ".join([PLACEHOLDER[dialect.paramstyle]] * len(names))
    return (
        f"INSERT INTO {quoting.format_table(table)} ({columns}) VALUES ",  # noqa: S608 - quoted
        f"({place})",
        _binds(dialect, table, names),
    )


def _revaluation(dialect: Dialect, table: Table, key: str, names: Sequence[str], rows: int) -> str:
    """The text of an UPDATE. SQLAlchemy's own CASE of twenty rows takes a millisecond to be made."""
    quoting, value = dialect.identifier_preparer, PLACEHOLDER[dialect.paramstyle]
    of = quoting.quote(key)
    case = f"CASE {of}{f' WHEN {value} THEN {value}' * rows} END"
    changes = ", ".join(f"{quoting.quote(name)} = {case}" for name in names)
    those = ", ".join([value] * rows)
    return f"UPDATE {quoting.format_table(table)} SET {changes} WHERE {of} IN ({those})"  # noqa: S608 - quoted


@cache
def _binds(dialect: Dialect, table: Table, names: tuple[str, ...]) -> Sequence[tuple[str, Bind]]:
    types = [(name, table.c[name].type.dialect_impl(dialect)) for name in names]
    return [(name, type.bind_processor(dialect) or _as_it_is) for name, type in types]


def _as_it_is(value: Any) -> Any:  # of any type
    return value


class SqlWork:
    """Opens transactions on one engine. Calling it is the port `UnitOfWorkFactory`."""

    def __init__(
        self,
        engine: AsyncEngine,
        world: World,
        *,
        timeout_s: float,
        committed: Committed,
        unpooled: AsyncEngine | None = None,
    ) -> None:
        """`unpooled` gives the connections for signs of life; without a server any will do."""
        self.engine = engine
        self._unpooled = unpooled or engine
        self._world = world
        self._timeout_s = timeout_s
        self._committed = committed

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[UnitOfWork]:
        unit: SqlUnitOfWork | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                async with clean_connection(self.engine) as connection:
                    unit = SqlUnitOfWork(connection, Now.of(self._world))
                    yield unit
                    await unit.commit()
        except TimeoutError as error:
            if unit is not None and unit.commit_sent:
                raise errors.OutcomeUnknown("COMMIT was not answered in time") from error
            raise errors.TimedOut(f"no transaction within {self._timeout_s} s") from error
        except (errors.Unavailable, sqlalchemy_errors.InvalidRequestError) as error:
            if unit is not None and unit.commit_sent:
                raise errors.OutcomeUnknown("the answer to COMMIT was lost") from error
            raise
        self._committed(unit.aggregates)

    def connections_in_use(self) -> int:
        pool = self.engine.sync_engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    async def writable(self) -> None:
        """Ask, on a fresh connection, whether a writer gets to every table. Raises Unavailable.

        A server may give signs of life and let no one write: while a table is altered, or all of them
        are locked for a backup. A lock on none of its rows waits for that as a write does.
        """
        if self.engine.dialect.name == "sqlite":  # it has one lock, which says nothing of a table
            return await self.probe()
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                clean_connection(self._unpooled) as connection,
            ):
                for table in metadata.tables.values():
                    none = select(literal(1)).select_from(table).where(false())
                    await connection.execute(none.with_for_update())
        except (TimeoutError, errors.Conflict) as error:
            raise errors.Unavailable("the write model lets no one write") from error

    async def probe(self) -> None:
        """Ask for a sign of life on a fresh connection. Raises Unavailable.

        Not on one of the pool, which may be all in use, or broken since their last use.
        """
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                clean_connection(self._unpooled) as connection,
            ):
                await connection.execute(text("SELECT 1"))
        except TimeoutError as error:
            raise errors.Unavailable("the write model does not answer") from error


@asynccontextmanager
async def clean_connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection that goes back to the pool clean, or is thrown away."""
    try:
        connection = await engine.connect()
    except sqlalchemy_errors.TimeoutError as error:
        raise errors.Unavailable("every connection of the pool is in use") from error
    clean = False  # one cut off within a query would hand its answer to the next user
    try:
        yield connection
        clean = True
    except errors.Unavailable:
        raise
    except Exception:
        await connection.rollback()
        clean = True
        raise
    finally:
        if not clean:
            await _discard(connection)
        await connection.close()


async def _discard(connection: AsyncConnection) -> None:
    """Throw a connection away; whatever its transaction was about, the server rolls back."""
    try:
        async with asyncio.timeout(CLOSE_S):
            await connection.invalidate()
    except (TimeoutError, errors.Unavailable, sqlalchemy_errors.SQLAlchemyError) as error:
        log.warning("a connection could not be closed in time: %s", error)


_CONNECTIONS: dict[str, Any] = {  # keywords of several types
    # errors are logged and parked, and parameters are people's data
    "hide_parameters": True,
    # `clean_connection` has rolled back what was open; one more ROLLBACK would cost a trip, and
    # make a transaction that COMMIT has answered wait for one more answer
    "pool_reset_on_return": None,
}
Connect = Callable[[str, WriteLock, bool], InlineConnection]


def _connect(path: str, lock: WriteLock, durable: bool) -> InlineConnection:
    return InlineConnection(open_file(path, timeout_s=SQLITE_BUSY_S), lock, synced=durable)


def sqlite_engine(
    path: Path, *, durable: bool, pool_size: int, connect: Connect = _connect
) -> AsyncEngine:
    """SQLite in a file. The simulation brings connections of its own.

    Not durable means that only the process's own death is survived, not the machine's.
    """
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        pool_size=pool_size,
        max_overflow=0,
        **_CONNECTIONS,
        pool_timeout=LOCK_WAIT_S,
        async_creator=partial(_opened, connect, str(path), WriteLock(), durable),
    )
    engine.dialect.statement_compiler = Compiler
    _translate_errors(engine, sqlite_kind)

    @event.listens_for(engine.sync_engine, "connect")
    def set_up(connection: Any, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        cursor.close()

    return engine


async def _opened(connect: Connect, path: str, lock: WriteLock, durable: bool) -> InlineConnection:
    return connect(path, lock, durable)


def mysql_engine(
    url: URL, *, pool_size: int | None, timeout_s: float = 5.0, connect_timeout_s: float = 2.0
) -> AsyncEngine:
    """MySQL 8 or MariaDB; without a size it has no pool, and each connection is a fresh one.

    `timeout_s` is the bound of its transactions. A statement that waits for a table, and not for a row,
    does not notice that its client has left. So the server gives it up a moment after the client: else
    what is tried again meanwhile takes one connection after the other, until there is none.

    No pre-ping: it can hang on a half-open connection, bounds hold anyway.
    """
    from pymysql.converters import encoders  # there only with the extra for servers

    encoders[Hexadecimal] = _literal
    pool: dict[str, Any] = {"poolclass": NullPool}  # keywords of several types
    if pool_size is not None:
        pool = {
            "pool_size": pool_size,
            "max_overflow": 0,
            "pool_timeout": LOCK_WAIT_S,
            "pool_recycle": POOL_RECYCLE_S,
        }
    engine = create_async_engine(
        url,
        **pool,
        **_CONNECTIONS,
        isolation_level="READ COMMITTED",
        connect_args={
            "connect_timeout": connect_timeout_s,
            "init_command": f"{MYSQL_SESSION}, lock_wait_timeout = {ceil(timeout_s) + 1}",
            "charset": "utf8mb4",
        },
    )
    _translate_errors(engine, mysql_kind)
    event.listen(engine.sync_engine, "before_cursor_execute", _bound_lock_wait, retval=True)
    return engine


def _literal(value: Hexadecimal, _: object = None) -> str:
    """How the driver writes it into a statement."""
    return value.literal


def _bound_lock_wait(
    connection: Connection,
    _: DBAPICursor,
    statement: str,
    parameters: object,
    context: ExecutionContext | None,
    __: bool,
) -> tuple[str, object]:
    """SQLAlchemy's hook before each statement: let one that locks wait for less than a second.

    `innodb_lock_wait_timeout` counts whole seconds, so it is the statement that is bounded.
    """
    wait_s = context.execution_options.get(LOCK_WAIT_OPTION) if context is not None else None
    if wait_s is not None:
        if getattr(connection.dialect, "is_mariadb", False):
            statement = f"SET STATEMENT max_statement_time={wait_s} FOR {statement}"
        else:
            hint = f"SELECT /*+ MAX_EXECUTION_TIME({round(wait_s * 1000)}) */"
            statement = statement.replace("SELECT", hint, 1)
    return statement, parameters


class UnfitDatabase(errors.Unavailable):
    """The database is there and cannot be used; by waiting alone it will not be mended."""


async def create_tables(engine: AsyncEngine, *, timeout_s: float = 30.0) -> None:
    """Make the tables that are not there; any number of processes may do so at once.

    Raises Unavailable, and UnfitDatabase when there is more to do than to wait.
    """
    try:
        async with asyncio.timeout(timeout_s), clean_connection(engine) as connection:
            if engine.dialect.name == "sqlite":
                await connection.run_sync(metadata.create_all)
            else:
                await _check_server(connection)
                await _create_under_lock(connection)
            await _check_tables(connection)
            await connection.commit()
    except TimeoutError as error:
        raise errors.TimedOut(f"the tables were not made within {timeout_s} s") from error


async def _check_server(connection: AsyncConnection) -> None:
    server = connection.dialect
    version = server.server_version_info or ()
    least = MARIADB_LEAST if getattr(server, "is_mariadb", False) else MYSQL_LEAST
    if version < least:
        found, wanted = (".".join(map(str, numbers)) for numbers in (version, least))
        raise UnfitDatabase(f"its version is {found}; the least is {wanted}")
    for name, (wanted_value, otherwise) in VARIABLES.items():
        value = await connection.scalar(text(f"SELECT @@{name}"))
        if value != wanted_value:
            raise UnfitDatabase(f"its {name} is {value}; it must be {wanted_value}, {otherwise}")


_COLUMNS = {
    "sqlite": "SELECT m.name, c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c",
    "mysql": (
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = DATABASE()"
    ),
}


async def _check_tables(connection: AsyncConnection) -> None:
    """Refuse tables of another version of the code: every write to them would fail, one by one."""
    query = _COLUMNS["sqlite" if connection.dialect.name == "sqlite" else "mysql"]
    there: dict[str, set[str]] = {}
    for table, column in await connection.execute(text(query)):
        there.setdefault(table, set()).add(column)
    for name, table in metadata.tables.items():
        wanted, found = set(table.columns.keys()), there.get(name, set())
        if wanted != found:
            raise UnfitDatabase(
                f"its table {name} is of another version of the system:"
                f"{_listed(' lacks ', wanted - found)}{_listed(' has ', found - wanted)};"
                " change the table by hand, or start with an empty database"
            )


def _listed(verb: str, columns: Collection[str]) -> str:
    return verb + ", ".join(sorted(columns)) if columns else ""


async def _create_under_lock(connection: AsyncConnection) -> None:
    # not released on failure: the lock ends with its session, which is thrown away then
    name = {"name": f"tables of {connection.engine.url.database}"[:LOCK_NAME_MAX]}
    wait = {"s": int(TABLES_WAIT_S)}
    taken = await connection.scalar(text("SELECT GET_LOCK(:name, :s)"), name | wait)
    if taken != 1:
        raise errors.Unavailable("another process makes the tables for too long")
    try:
        await connection.run_sync(metadata.create_all)
    except errors.Conflict as error:  # as while all tables are locked for a backup
        raise errors.Unavailable(f"the tables cannot be made now: {error}") from error
    await connection.execute(text("SELECT RELEASE_LOCK(:name)"), name)


# --- the kinds of errors --------------------------------------------------------------------------

Kind = Callable[[BaseException], type[Exception] | None]

_MYSQL_CODES: dict[int, type[Exception]] = {
    1213: errors.Conflict,  # deadlock
    1205: errors.LockWaitTimeout,
    3572: errors.LockWaitTimeout,  # NOWAIT found a lock
    3024: errors.LockWaitTimeout,  # max_execution_time: only statements that lock have one
    1969: errors.LockWaitTimeout,  # MariaDB's max_statement_time, the same
    1020: errors.Conflict,  # MariaDB: the row has changed since it was read
    3101: errors.Conflict,  # group replication: another member was faster, seen at COMMIT
    1062: errors.UniqueViolation,
    1451: errors.ReferenceViolation,  # a row is still referred to
    1452: errors.ReferenceViolation,  # the row referred to is not there
    1216: errors.ReferenceViolation,  # the same two, where the key's name may not be told
    1217: errors.ReferenceViolation,
    1044: UnfitDatabase,  # this user may not use this database
    1045: UnfitDatabase,  # wrong user or password
    1049: UnfitDatabase,  # unknown database
    1130: UnfitDatabase,  # this host may not log in
    1142: UnfitDatabase,  # this user may not do this to a table
    1698: UnfitDatabase,  # wrong user or password, again
    1862: UnfitDatabase,  # the password has expired
    3118: UnfitDatabase,  # the account is locked
    3159: UnfitDatabase,  # it insists on TLS
}
_MYSQL_OUR_MISTAKES = frozenset(
    {
        1054,  # unknown column
        1136,  # not as many values as columns
        1146,  # unknown table
        1153,  # a statement larger than max_allowed_packet
        1210,  # wrong arguments
        1241,  # one column was expected
        1242,  # one row was expected
        1264,  # out of range
        1267,  # collations that do not go together
        1292,  # no date
        1300,  # no UTF-8
        1305,  # unknown function
        1365,  # a division by zero
        1366,  # no value of this type
        1390,  # more than 65,535 parameters
        1406,  # too long
        1690,  # out of range, while computing
        3819,  # a CHECK failed
        4025,  # MariaDB: a CHECK failed
    }
)
"""Of statements and values. The driver calls every number that it does not know operational."""
_MYSQL_AWAY = frozenset({"OperationalError", "InterfaceError", "InternalError", "OSError"})
"""Lost connections, shut down, read-only, full, out of order: whatever else a server can be."""
_SQLITE_AWAY = (
    *("SQLITE_IOERR", "SQLITE_FULL", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM"),
    *("SQLITE_NOMEM", "SQLITE_PROTOCOL"),
    *("SQLITE_NOTADB", "SQLITE_CORRUPT"),  # no message is to blame for it
)


def mysql_kind(error: BaseException) -> type[Exception] | None:
    """The kind of a driver's error, by MySQL's number; None for what is our own mistake."""
    # by name, for this process may have no MySQL driver at all
    names = {kind.__name__ for kind in type(error).__mro__}
    code = error.args[0] if "MySQLError" in names and error.args else None
    if code in _MYSQL_CODES:
        return _MYSQL_CODES[code]
    away = names & _MYSQL_AWAY and code not in _MYSQL_OUR_MISTAKES
    return errors.Unavailable if away else None


def sqlite_kind(error: BaseException) -> type[Exception] | None:
    """The kind of a driver's error, by SQLite's extended code; None for what is our own mistake."""
    name = getattr(error, "sqlite_errorname", "")
    match name:
        case "SQLITE_CONSTRAINT_UNIQUE" | "SQLITE_CONSTRAINT_PRIMARYKEY":
            return errors.UniqueViolation
        case "SQLITE_CONSTRAINT_FOREIGNKEY":
            return errors.ReferenceViolation
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return errors.Conflict
    away = name.startswith(_SQLITE_AWAY) or isinstance(error, OSError)
    return errors.Unavailable if away else None


def _translate_errors(engine: AsyncEngine, kind_of: Kind) -> None:
    """Let every driver's error leave SQLAlchemy as one of the kinds of `kit.errors`."""

    @event.listens_for(engine.sync_engine, "handle_error")
    def translate(context: ExceptionContext) -> Exception | None:
        original = context.original_exception
        kind = kind_of(original)
        return None if kind is None else kind(_words(original))


def _words(error: BaseException) -> str:
    """What a driver says: MySQL's is a number and a text."""
    if len(error.args) == 2 and isinstance(error.args[0], int):
        return f"{error.args[1]} ({error.args[0]})"
    return str(error)
