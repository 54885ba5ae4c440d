"""Ctrl-C and SIGTERM: the process finishes what it has in hand and exits with 0 within ten seconds."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
from contextlib import closing, suppress
from pathlib import Path

import pytest

from scenarios.operations.conftest import Start
from scenarios.operations.program import PORTS, Program
from scenarios.operations.traffic import Traffic

BOUND_S = 10.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_it_is_idle(start: Start, number: signal.Signals, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    program = start(TMPDIR=str(scratch))
    program.greeting()
    assert list(scratch.iterdir())

    ended = program.stop(number)

    assert (ended.status, ended.took_s < BOUND_S) == (0, True)
    assert "Traceback" not in ended.err
    assert not list(scratch.iterdir()), "it takes what is not kept away with it"


def test_it_ends_under_load_and_while_others_hold_connections_and_say_nothing(start: Start) -> None:
    program = start("--data", "data")
    program.greeting()
    with (
        half_a_request(program),
        socket.create_connection((program.host, PORTS["user-api"])),
        Traffic(program) as traffic,
    ):
        traffic.wait_for_orders(50)
        ended = program.stop()

    assert (ended.status, ended.took_s < BOUND_S) == (0, True)
    assert "Traceback" not in ended.err


def test_it_ends_while_a_message_waits_16_s_for_its_retry(start: Start, tmp_path: Path) -> None:
    program = start("--data", "data", RETRY_DELAYS="16s")
    program.greeting()
    with closing(sqlite3.connect(tmp_path / "data" / "write-model.sqlite")) as database:
        database.execute("ALTER TABLE reservations RENAME TO elsewhere")
        database.commit()
    place_order(program)
    program.err.wait_for('"pause_s":16.0')

    ended = program.stop()

    assert (ended.status, ended.took_s < BOUND_S) == (0, True)
    assert '"message":"dead letter"' not in ended.err, "the next start goes on with it"


def test_it_ends_while_the_write_model_is_locked_from_outside(start: Start, tmp_path: Path) -> None:
    program = start("--data", "data")
    program.greeting()
    path = tmp_path / "data" / "write-model.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        program.err.wait_for("the relay waits")

        ended = program.stop()

    assert (ended.status, ended.took_s < BOUND_S) == (0, True)


def test_a_second_ctrl_c_ends_it_at_once(start: Start) -> None:
    program = start("user-api", "--stack", "embedded")
    assert program.out is not None
    program.out.wait_for("user-api")
    with half_a_request(program):  # it would wait 3 s for the rest
        program.tell(signal.SIGINT)
        program.err.wait_for("stopping")
        while program.runs:  # one too soon counts as the same
            program.tell(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                program.wait(0.1)

    assert program.wait() == 130
    assert "Traceback" not in program.err.all()


def test_ctrl_c_while_it_loads_its_modules_ends_it_without_a_word(start: Start) -> None:
    program = start(python=("-X", "importtime"))
    program.err.wait_for(" sqlalchemy.util")

    ended = program.stop(signal.SIGINT)

    assert ended.status == -signal.SIGINT
    assert "Traceback" not in ended.err


def half_a_request(program: Program) -> socket.socket:
    """A request whose body never comes."""
    connection = socket.create_connection((program.host, PORTS["user-api"]))
    connection.sendall(
        b"POST /users HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"
    )
    assert connection.recv(100).startswith(b"HTTP/1.1 100 "), "it waits for the body by now"
    return connection


def place_order(program: Program) -> None:
    user = program.make("user-api", "/users", {"name": "Ada", "email": "ada@example.com"})
    product = program.make("product-api", "/products", {"name": "Pen", "price": 1, "stock": 9})
    items = [{"product_id": product["id"], "quantity": 1}]
    program.make("order-api", "/orders", {"user_id": user["id"], "items": items})
