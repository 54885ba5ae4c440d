"""What cannot be is refused at once: one clear line on stderr, a status that is not 0, no traceback."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scenarios.operations.conftest import Command
from scenarios.operations.program import Program, free_host, programs

IMPOSSIBLE = {
    "an unknown role": (["order-apo"], {}, "there is no role 'order-apo'; did you mean order-api?"),
    "an empty role": ([""], {}, "there is no role ''; there are user-api, "),
    "a role that moves the cursor": (["\x1b[2J"], {}, r"there is no role '\x1b[2J'"),
    "an operation after a role": (["apis", "rebuild"], {}, "python -m system rebuild"),
    "a port for all eight": ([], {"PORT": "9000"}, "PORT is for exactly one role"),
    "a port for a group": (["apis"], {"PORT": "9000"}, "PORT is for exactly one role"),
    "a port that is none": (["user-api"], {"PORT": "x"}, "PORT: 'x' is not a whole number"),
    "a bad duration": ([], {"OUTBOX_POLL_INTERVAL": "1"}, "OUTBOX_POLL_INTERVAL: '1' is not a du"),
    "a bad address": ([], {"HOST": "http://x"}, "HOST: 'http://x' is not an address"),
    "data on the servers": (["apis", "--data", "d"], {}, "--data is for the embedded stack"),
    "data without a name": (["--data", ""], {}, "--data needs the name of a directory"),
    "a bad setting of an operation": (["rebuild"], {"LOG_LEVEL": "loud"}, "LOG_LEVEL: 'loud' is"),
}


@pytest.mark.parametrize(("arguments", "settings", "line"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_is_impossible_has_the_status_2(
    command: Command, arguments: list[str], settings: dict[str, str], line: str
) -> None:
    ended = command(*arguments, **settings)

    assert ended.status == 2
    assert line in ended.one_line


def test_an_unknown_option_is_told_with_the_usage(command: Command) -> None:
    ended = command("--dta", "d")

    assert ended.status == 2
    assert "usage: python -m system" in ended.err
    assert "there is no option '--dta'; did you mean --data?" in ended.err


def test_several_bad_settings_are_told_together_and_no_secret_with_them(command: Command) -> None:
    ended = command(PORT="0", MYSQL_DSN="u:secret@nowhere")

    assert ended.status == 2
    assert "PORT: " in ended.err
    assert "MYSQL_DSN: " in ended.err
    assert "secret" not in ended.err


def a_file(data: Path) -> None:
    data.write_bytes(b"")


def a_place_under_a_file(data: Path) -> None:
    a_file(data.parent)


def a_log_of_something_else(data: Path) -> None:
    data.mkdir()
    (data / "log.journal").write_text("yesterday I went\n", encoding="utf-8")


def offsets_of_something_else(data: Path) -> None:
    data.mkdir()
    (data / "offsets.journal").write_text("yesterday I went\n", encoding="utf-8")


def a_write_model_that_is_no_database(data: Path) -> None:
    data.mkdir()
    (data / "write-model.sqlite").write_bytes(b"no database at all" * 100)


def a_write_model_that_is_a_directory(data: Path) -> None:
    (data / "write-model.sqlite").mkdir(parents=True)


def a_write_model_of_an_older_version(data: Path) -> None:
    data.mkdir()
    with closing(sqlite3.connect(data / "write-model.sqlite")) as database:
        database.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, nick TEXT)")


UNUSABLE: dict[Callable[[Path], None], str] = {
    a_file: "is not a directory",
    a_place_under_a_file: "Not a directory",
    a_log_of_something_else: "log.journal begins with b'yesterday I went', not b'log 1 3'",
    offsets_of_something_else: "offsets.journal begins with b'yesterday I went', not",
    a_write_model_that_is_no_database: "file is not a database",
    a_write_model_that_is_a_directory: "unable to open database file",
    a_write_model_of_an_older_version: (
        "its table users is of another version of the system: lacks created_at, email, updated_at, "
        "version has nick; change the table by hand, or start with an empty"
    ),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[object, Program]]:
    """All that have to be real processes, started side by side."""
    with programs() as start:
        started: dict[object, Program] = {}
        for prepare in UNUSABLE:
            directory = tmp_path_factory.mktemp("cwd")
            data = directory / "place" / "data"
            data.parent.mkdir()
            if prepare is a_place_under_a_file:
                data.parent.rmdir()
            prepare(data)
            started[prepare] = start("--data", str(data), directory=directory)
        yield started


@pytest.mark.parametrize("prepare", UNUSABLE, ids=lambda it: it.__name__)
def test_a_data_directory_that_cannot_be_used_has_the_status_1(
    outcomes: dict[object, Program], prepare: Callable[[Path], None]
) -> None:
    ended = outcomes[prepare].ended()

    assert ended.status == 1
    assert UNUSABLE[prepare] in ended.one_line


def test_a_data_directory_serves_one_process_at_a_time(tmp_path: Path) -> None:
    with programs() as start:
        first = start("--data", "data", directory=tmp_path)
        first.greeting()
        ended = start("--data", "data", directory=tmp_path).ended()

        assert ended.status == 1
        assert ended.one_line == "data is in use by another process"
        assert first.get("user-api", "/readyz").status == 200


def test_a_port_that_is_taken_is_named_before_anything_else_begins(tmp_path: Path) -> None:
    host = free_host()
    with closing(socket.create_server((host, 8093))), programs() as start:
        ended = start(directory=tmp_path, host=host).ended()

    assert ended.status == 1
    assert ended.one_line == f"order-consumer: port 8093 on {host} is taken"


def test_an_address_of_another_machine_is_told_once_not_for_each_port(tmp_path: Path) -> None:
    with programs() as start:
        ended = start(directory=tmp_path, host="203.0.113.1").ended()

    assert ended.status == 1
    assert ended.one_line == (
        "user-api: cannot listen on 203.0.113.1, port 8081: Cannot assign requested address"
    )
