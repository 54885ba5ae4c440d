"""`python -m system`: all eight roles in one process, and the first output says how to go on."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.operations.conftest import Start
from scenarios.operations.program import (
    PORTS,
    Program,
    environment,
    eventually,
    free_host,
    free_port,
    programs,
    send,
)

DOTENV = """\
MYSQL_DSN=ecommerce:ecommerce@tcp(mysql:3306)/ecommerce?parseTime=true
MONGO_URI=mongodb://admin:admin@mongo:27017/ecommerce?authSource=admin
KAFKA_BROKERS=kafka:9092
STACK=servers
SERVICE_NAME=webshop
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Without arguments, beside a `.env` that names servers: they are not there, and not asked."""
    directory = tmp_path_factory.mktemp("cwd")
    (directory / ".env").write_text(DOTENV, encoding="utf-8")
    with programs() as start:
        program = start(directory=directory)
        program.greeting()
        yield program


def curls(text: str) -> list[list[str]]:
    """The arguments of the curl commands in a text."""
    commands = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line.partition("curl ")[2]) for line in commands if "curl " in line]


def test_it_says_what_is_where(running: Program) -> None:
    greeting = running.greeting()

    for role in PORTS:
        assert f"  {role:<18}{running.url(role)}\n" in greeting


def test_it_says_that_nothing_is_kept_and_what_would_keep_it(running: Program) -> None:
    assert "Nothing is kept; --data DIR would keep it." in running.greeting()


def test_env_file_and_environment_do_not_change_the_stack(running: Program) -> None:
    assert "on the embedded stack" in running.greeting()


def test_it_speaks_once_it_is_ready(running: Program) -> None:
    for role in PORTS:
        assert running.get(role, "/readyz").status == 200


def test_the_printed_curl_works_and_so_does_the_one_that_looks(running: Program) -> None:
    register, look = curls(running.greeting())

    assert register[:2] == ["-X", "POST"]
    _, _, url, _, header, _, body = register
    name, _, value = header.partition(": ")
    user = send(url, body.encode(), method="POST", headers={name: value})
    assert user.status == 201

    (url,) = look
    shown = eventually(lambda: send(url, headers={}).body["users"])
    assert shown == [user.body]


def test_the_service_name_is_in_every_line_of_the_log_and_nowhere_else(running: Program) -> None:
    running.get("user-api", "/users/999")  # a line of a role's own

    assert {line["service"] for line in running.log} == {"webshop"}
    assert running.get("user-api", "/").body["service"] == "user-api"


def test_what_is_piped_has_no_colors(running: Program) -> None:
    assert "\x1b" not in running.greeting() + running.err.so_far


def test_a_reader_that_has_gone_stops_nothing(start: Start) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    program = start(stdout=writing)
    os.close(writing)
    program.err.wait_for("views switched")
    eventually(lambda: program.get("query-consumer", "/readyz").status, lambda it: it == 200)

    ended = program.stop()

    assert ended.status == 0
    assert "rror" not in ended.err


def test_closed_streams_stop_nothing(tmp_path: Path) -> None:
    host = free_host()
    process = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {shlex.quote(sys.executable)} -m system >&- 2>&-"],
        cwd=tmp_path,
        env=environment(HOST=host),
    )
    try:
        eventually(lambda: _is_ready(host) or process.poll() is not None)
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(10)

    assert status == 0


def _is_ready(host: str) -> bool:
    try:
        return send(f"http://{host}:8084/readyz", headers={}).status == 200
    except OSError:
        return False


def test_one_role_alone_takes_another_port(start: Start) -> None:
    port = free_port()
    program = start("user-api", "--stack", "embedded", PORT=str(port))
    assert program.out is not None
    program.out.wait_for(f"http://{program.host}:{port}")

    assert send(f"http://{program.host}:{port}/healthz", headers={}).status == 200


def test_an_address_of_ipv6_is_written_as_a_url_has_it(start: Start) -> None:
    port = free_port()
    program = start("user-api", "--stack", "embedded", host="::1", PORT=str(port))
    assert program.out is not None
    try:
        program.out.wait_for(f"http://[::1]:{port}")
    except AssertionError:
        if "Cannot assign" not in program.err.all():
            raise
        pytest.skip("not applicable: this machine has no IPv6")


def test_the_servers_are_the_stack_of_roles_that_are_named(start: Start) -> None:
    away = {
        "MYSQL_DSN": "u:p@tcp(127.0.0.1:1)/d",
        "MONGO_URI": "mongodb://127.0.0.1:1/d",
        "KAFKA_BROKERS": "127.0.0.1:1",
    }
    program = start("order-api", **away)
    program.err.wait_for("waiting for a store")

    assert program.stop().status == 0


@pytest.mark.parametrize("role", ["user-api", "query-api", "query-consumer"])
def test_a_role_without_servers_says_how_to_get_some_and_is_quiet(start: Start, role: str) -> None:
    away = {
        "MYSQL_DSN": "u:p@tcp(127.0.0.1:1)/d",
        "MONGO_URI": "mongodb://127.0.0.1:1/d",
        "KAFKA_BROKERS": "127.0.0.1:1",
    }
    program = start(role, **away)
    program.err.wait_for("docker compose up")
    ended = program.stop()

    assert ended.status == 0
    told = [json.loads(line)["message"] for line in ended.err.splitlines() if "hint" in line]
    assert sorted(told) == sorted(set(told)), "each once"
