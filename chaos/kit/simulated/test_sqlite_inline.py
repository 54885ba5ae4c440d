"""The simulated database: hops at each statement, writers in turn, faults as a server shows them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from chaos.kit.points import Hop
from chaos.kit.simulated.faults import Ghost
from chaos.kit.simulated.sqlite_inline import (
    ARRIVES_S,
    Database,
    File,
    SimulatedConnection,
    name_of,
)
from chaos.kit.virtual_time import run
from system.kit.adapters.sql.sqlite_inline import WriteLock
from system.kit.errors import Conflict, Unavailable


class Scripted:
    """Hops that take a moment, and break where a test says."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.errors: dict[str, Exception] = {}

    async def at(self, call: str, hop: Hop) -> None:
        self.passed.append(f"{call} {hop.value}")
        await asyncio.sleep(0.001)
        if (error := self.errors.pop(f"{call} {hop.value}", None)) is not None:
            raise error


@pytest.fixture
def database(tmp_path: Path) -> Database:
    path = tmp_path / "test.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE stock (id INTEGER PRIMARY KEY, on_hand INTEGER)")
    connection.execute("INSERT INTO stock VALUES (1, 5)")
    connection.commit()
    connection.close()
    return Database(File(path))


def simulated(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run(main())


async def take(connection: SimulatedConnection, quantity: int) -> None:
    cursor = connection.cursor()
    await cursor.execute("UPDATE stock SET on_hand = on_hand - ?", (quantity,))


def left(database: Database) -> int:
    connection = sqlite3.connect(database.file.uri, uri=True)
    try:
        return int(connection.execute("SELECT on_hand FROM stock").fetchone()[0])
    finally:
        connection.close()


def test_a_connection_that_is_kept_sees_the_next_run_and_not_the_last(database: Database) -> None:
    file, given = database.file, database.file.path.read_bytes()

    def on_hand(connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT on_hand FROM stock").fetchone()[0])

    file.fill(given)
    writer, reader = file.take(), file.take()
    writer.execute("UPDATE stock SET on_hand = 4")
    assert on_hand(reader) == 4
    file.give_back(reader)
    writer.execute("BEGIN")
    writer.execute("UPDATE stock SET on_hand = 3")
    file.give_back(writer)

    file.fill(given)
    assert on_hand(writer) == 5
    writer.execute("UPDATE stock SET on_hand = 1")  # as many COMMITs as in the last run
    assert on_hand(reader) == 1
    assert {id(file.take()), id(file.take())} == {id(writer), id(reader)}


def test_a_commit_is_two_hops_and_a_statement_one(database: Database) -> None:
    async def main() -> None:
        hops = Scripted()
        connection = database.connect(hops, WriteLock())
        await take(connection, 2)
        await connection.commit()
        assert hops.passed == ["sql.update-stock request", "sql.commit request", "sql.commit reply"]
        assert left(database) == 3

    simulated(main)


def test_a_second_writer_waits_for_the_first(database: Database) -> None:
    async def main() -> None:
        first, second = (
            database.connect(Scripted(), WriteLock()),
            database.connect(Scripted(), WriteLock()),
        )
        await take(first, 1)
        waiting = asyncio.ensure_future(take(second, 1))
        await asyncio.sleep(1)
        assert not waiting.done()
        await first.commit()
        await waiting
        await second.commit()
        assert left(database) == 3

    simulated(main)


def test_waiting_for_too_long_is_busy(database: Database) -> None:
    async def main() -> None:
        first, second = (
            database.connect(Scripted(), WriteLock()),
            database.connect(Scripted(), WriteLock()),
        )
        await take(first, 1)
        with pytest.raises(sqlite3.OperationalError) as busy:
            await take(second, 1)
        assert busy.value.sqlite_errorname == "SQLITE_BUSY"

    simulated(main)


@pytest.mark.parametrize(("hop", "remains"), [("request", 5), ("reply", 4)])
def test_a_connection_that_breaks_at_commit(database: Database, hop: str, remains: int) -> None:
    """Before it nothing has happened; after it all has, and nobody says so."""

    async def main() -> None:
        hops = Scripted()
        connection = database.connect(hops, WriteLock())
        await take(connection, 1)
        hops.errors[f"sql.commit {hop}"] = Unavailable("broken")
        with pytest.raises(sqlite3.OperationalError):
            await connection.commit()
        assert left(database) == remains
        assert database.is_quiet

    simulated(main)


def test_a_commit_of_a_ghost_arrives_when_its_sender_has_given_it_up(database: Database) -> None:
    async def main() -> None:
        hops = Scripted()
        connection, other = (
            database.connect(hops, WriteLock()),
            database.connect(Scripted(), WriteLock()),
        )
        await take(connection, 1)
        hops.errors["sql.commit request"] = Ghost("broken")
        with pytest.raises(sqlite3.OperationalError):
            await connection.commit()
        await connection.rollback()
        connection.stop()
        assert left(database) == 5
        assert not database.is_quiet
        await take(other, 1)  # waits for the ghost's lock
        await other.commit()
        assert left(database) == 3
        assert asyncio.get_running_loop().time() >= ARRIVES_S

    simulated(main)


def test_who_is_gone_within_a_commit_gives_its_turn_to_the_next_of_its_process(
    database: Database,
) -> None:
    async def main() -> None:
        hops, lock = Scripted(), WriteLock()
        connection, next_one = database.connect(hops, lock), database.connect(hops, lock)
        await take(connection, 1)
        hops.errors["sql.commit request"] = Ghost("broken")
        with pytest.raises(sqlite3.OperationalError):
            await connection.commit()
        connection.stop()
        await take(next_one, 1)
        await next_one.commit()
        assert left(database) == 3

    simulated(main)


def test_a_conflict_undoes_its_statement_alone(database: Database) -> None:
    async def main() -> None:
        hops = Scripted()
        connection = database.connect(hops, WriteLock())
        await take(connection, 1)
        hops.errors["sql.update-stock request"] = Conflict("lock wait")
        with pytest.raises(sqlite3.OperationalError):
            await connection.cursor().execute("UPDATE stock SET on_hand = 0")
        await connection.commit()
        assert left(database) == 4

    simulated(main)


def test_a_client_that_goes_is_rolled_back_and_gives_way(database: Database) -> None:
    async def main() -> None:
        hops = Scripted()
        first, second = (
            database.connect(hops, WriteLock()),
            database.connect(Scripted(), WriteLock()),
        )
        await take(first, 4)
        waiting = asyncio.ensure_future(take(second, 1))
        await asyncio.sleep(0.1)
        database.drop(hops)
        await waiting
        await second.commit()
        assert left(database) == 4

    simulated(main)


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("SELECT stock.id, on_hand FROM stock WHERE id = ?", "sql.select-stock"),
        ("INSERT INTO outbox (id, aggregate) VALUES (?, ?)", "sql.insert-outbox"),
        ("DELETE FROM orders WHERE id = ?", "sql.delete-orders"),
        ("SELECT 1", "sql.select"),
    ],
)
def test_a_hop_is_named_for_its_statement(statement: str, name: str) -> None:
    assert name_of(statement) == name
