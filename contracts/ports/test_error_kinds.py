"""Every error of a database has one kind, and what is done about it follows from that alone."""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from pymysql import err

from system.kit.adapters.sql.work import UnfitDatabase, mysql_kind, sqlite_kind
from system.kit.errors import (
    Conflict,
    LockWaitTimeout,
    ReferenceViolation,
    Unavailable,
    UniqueViolation,
)


def told_by_mysql(code: int) -> Exception:
    """The error that the driver makes of a server's error packet."""
    packet = b"\xff" + struct.pack("<H", code) + b"#HY000" + b"the reason"
    with pytest.raises(err.MySQLError) as told:
        err.raise_mysql_exception(packet)
    return told.value


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1213, Conflict),  # deadlock
        (1205, LockWaitTimeout),
        (3572, LockWaitTimeout),  # NOWAIT
        (3024, LockWaitTimeout),  # a statement that locks took longer than it may
        (1969, LockWaitTimeout),  # MariaDB: the same
        (1020, Conflict),  # MariaDB: changed since it was read
        (3101, Conflict),  # group replication
        (1062, UniqueViolation),
        (1216, ReferenceViolation),
        (1217, ReferenceViolation),
        (1451, ReferenceViolation),
        (1452, ReferenceViolation),
    ],
)
def test_a_lost_race_and_a_violation_have_their_own_kinds(code: int, kind: type[Exception]) -> None:
    assert mysql_kind(told_by_mysql(code)) is kind


@pytest.mark.parametrize(
    "code",
    [
        *(1040, 1203, 1226),  # too many connections: in all, of this user, by a limit
        *(1290, 1836, 1792),  # read-only: by option, super_read_only, a transaction's
        *(1021, 1114, 1030, 1037, 1041),  # disk full, table full, I/O, out of memory
        *(1053, 1077, 1079),  # shutting down
        *(1317, 1927, 3169),  # this query or session was killed
        *(1158, 1159, 1160, 1161, 4031),  # the network, and a session too long idle
        *(1047, 1129, 3168),  # Galera not ready, host blocked for a while, not ready
        9_999,  # whatever comes with the next version
    ],
)
def test_a_server_that_cannot_just_now_is_unavailable(code: int) -> None:
    assert mysql_kind(told_by_mysql(code)) is Unavailable


@pytest.mark.parametrize(
    "error",
    [
        err.OperationalError(2003, "Can't connect to MySQL server"),
        err.OperationalError(2006, "MySQL server has gone away"),
        err.OperationalError(2013, "Lost connection to MySQL server during query"),
        err.OperationalError(2014, "Command Out of Sync"),
        err.InternalError("Packet sequence number wrong - got 3 expected 1"),
        err.InterfaceError(0, ""),
        err.InterfaceError("(0, 'Not connected')"),
        ConnectionResetError(104, "Connection reset by peer"),
        BrokenPipeError(32, "Broken pipe"),
    ],
)
def test_a_connection_that_broke_is_unavailable(error: Exception) -> None:
    assert mysql_kind(error) is Unavailable


@pytest.mark.parametrize("code", [1044, 1045, 1049, 1130, 1142, 1698, 1862, 3118, 3159])
def test_a_server_that_does_not_want_us_is_unavailable_and_no_start(code: int) -> None:
    """Passwords are changed under running processes: those wait, and only a start gives up."""
    kind = mysql_kind(told_by_mysql(code))

    assert kind is UnfitDatabase
    assert issubclass(UnfitDatabase, Unavailable)


@pytest.mark.parametrize(
    "code",
    [
        *(1048, 1064, 1054, 1136, 1146),  # of the statement
        *(1153, 1264, 1292, 1300, 1366, 1406, 1690, 3819, 4025),  # of the values
    ],
)
def test_our_own_mistakes_are_none_of_these(code: int) -> None:
    assert mysql_kind(told_by_mysql(code)) is None


@pytest.mark.parametrize("error", [KeyError("x"), ValueError(1213), RuntimeError("x")])
def test_an_error_of_no_database_has_no_kind(error: Exception) -> None:
    """A number alone makes no deadlock."""
    assert mysql_kind(error) is None
    assert sqlite_kind(error) is None


# SQLite, which can be brought to tell them itself


def taken_key(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO t VALUES (1, 1)")


def taken_unique(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO t VALUES (2, 1)")


def unknown_reference(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("INSERT INTO r VALUES (404)")


def busy(path: Path) -> None:
    with closing(sqlite3.connect(path)) as first, closing(sqlite3.connect(path, 0)) as second:
        first.execute("BEGIN IMMEDIATE")
        second.execute("BEGIN IMMEDIATE")


def read_only(path: Path) -> None:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.execute("INSERT INTO t VALUES (2, 2)")


def full(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA max_page_count = 1")
        connection.execute("CREATE TABLE larger AS SELECT zeroblob(1000000)")


def no_directory(path: Path) -> None:
    sqlite3.connect(path / "nowhere")


def no_database(path: Path) -> None:
    path.write_bytes(b"text" * 1000)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT * FROM t")


def unknown_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("SELECT * FROM nothing")


def missing_value(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO t VALUES (2, NULL)")


@pytest.mark.parametrize(
    ("provoke", "kind"),
    [
        (taken_key, UniqueViolation),
        (taken_unique, UniqueViolation),
        (unknown_reference, ReferenceViolation),
        (busy, Conflict),
        (read_only, Unavailable),
        (full, Unavailable),
        (no_directory, Unavailable),
        (no_database, Unavailable),
        (unknown_table, None),
        (missing_value, None),
    ],
)
def test_sqlites_errors_have_the_same_kinds(
    provoke: Callable[[Path], None], kind: type[Exception] | None, tmp_path: Path
) -> None:
    path = tmp_path / "file.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, u INTEGER NOT NULL UNIQUE)")
        connection.execute("CREATE TABLE r (t INTEGER REFERENCES t (id))")
        connection.execute("INSERT INTO t VALUES (1, 1)")
        connection.commit()

    with pytest.raises(sqlite3.Error) as told:
        provoke(path)

    assert sqlite_kind(told.value) is kind
