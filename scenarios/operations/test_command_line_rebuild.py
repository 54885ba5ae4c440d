"""`python -m system rebuild`: the views are built anew while readers go on, and the end is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import aiohttp
import pytest

from chaos.kit import virtual_time
from scenarios.operations.conftest import Command
from scenarios.operations.program import PORTS, Program, eventually, free_host, programs
from system.__main__ import PROGRAM
from system.kit.operations import cli

Answer = tuple[int, bytes] | None
"""None: the connection ends without a word."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with programs() as start:
        program = start(directory=tmp_path_factory.mktemp("cwd"))
        program.greeting()
        program.make("user-api", "/users", {"name": "Ada", "email": "ada@example.com"})
        eventually(lambda: program.get("query-api", "/users").body["users"])
        yield program


def test_it_ends_when_the_new_views_are_read(running: Program, command: Command) -> None:
    before = running.get("query-consumer", "/admin/rebuild").body["live"]
    shown = running.get("query-api", "/users").body

    ended = command("rebuild", HOST=running.host)

    assert (ended.status, ended.out) == (0, f"generation {before + 1} is live\n")
    assert ended.err == "", "the bar is for terminals"
    assert running.get("query-consumer", "/admin/rebuild").body["live"] == before + 1
    assert running.get("query-api", "/users").body == shown


@contextmanager
def something_else(*answers: Answer) -> Iterator[str]:
    """Something on the query-consumer's port that gives these answers, then none; its address."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if not left:
                return  # and the connection ends without a word
            answer = left.pop(0)
            if answer is None:
                return
            status, body = answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST  # noqa: N815  # http.server looks for this name

        def log_message(self, format: str, *arguments: object) -> None:
            """Tests read what is written to stderr."""

    host = free_host()
    with ThreadingHTTPServer((host, PORTS["query-consumer"]), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield host
        finally:
            server.shutdown()
            thread.join()


def answered(status: int, **body: object) -> Answer:
    return status, json.dumps(body).encode()


def progress(*, live: int, building: int | None, failure: str | None = None) -> Answer:
    counts = {"records_read": 5, "records_total": 10}
    return answered(200, live=live, building=building, failure=failure, **counts)


BEGUN = answered(202, generation=7)
UNDER_WAY = progress(live=6, building=7)

FAILURES: dict[str, tuple[Sequence[Answer], str]] = {
    "another is under way": (
        [answered(409, detail="generation 7 is being built")],
        "query-consumer: generation 7 is being built",
    ),
    "it was given up": (
        [BEGUN, UNDER_WAY, progress(live=6, building=None, failure="order.paid 0 3: \x1b[2J no")],
        r"generation 7 was given up: order.paid 0 3: \x1b[2J no",
    ),
    "it was forgotten": (
        [BEGUN, UNDER_WAY, progress(live=1, building=None)],
        "generation 7 was given up: the query-consumer may have started anew",
    ),
    "a store is away": (
        [answered(503, detail="Nothing was changed. Try again.")],
        "query-consumer: Nothing was changed. Try again.",
    ),
    "the request is wrong": (
        [answered(422, detail="x", errors=[{"place": "topic", "reason": "must be a topic"}])],
        "query-consumer: topic must be a topic",
    ),
    "no token": (
        [answered(401, detail="x")],
        "query-consumer: it wants a token: set ADMIN_TOKEN to the one that it was started with",
    ),
    "another machine": (
        [answered(403, detail="x")],
        "query-consumer: it listens to its own machine alone, unless ADMIN_TOKEN is set there",
    ),
    "a web page": ([(200, b"<html>")], "is no query-consumer"),
    "a list": ([(200, b"[]")], "is no query-consumer"),
    "noise": ([(200, b"\xff\xfe")], "is no query-consumer"),
}


@pytest.mark.parametrize(("answers", "line"), FAILURES.values(), ids=FAILURES)
def test_why_it_failed_is_one_line(command: Command, answers: Sequence[Answer], line: str) -> None:
    with something_else(*answers) as host:
        ended = command("rebuild", HOST=host)

    assert ended.status == 1
    assert line in ended.one_line


def test_a_rebuild_that_goes_on_while_nobody_can_say_how_far_it_is_has_not_failed(
    command: Command,
) -> None:
    not_now = answered(503, detail="Nothing was changed. Try again.")
    done = progress(live=7, building=None)
    with something_else(BEGUN, not_now, UNDER_WAY, not_now, done) as host:
        ended = command("rebuild", HOST=host)

    assert (ended.status, ended.out) == (0, "generation 7 is live\n")


def test_a_query_consumer_that_restarts_meanwhile_is_followed(command: Command) -> None:
    done = progress(live=7, building=None)
    with something_else(BEGUN, UNDER_WAY, None, None, UNDER_WAY, done) as host:
        ended = command("rebuild", HOST=host)

    assert (ended.status, ended.out) == (0, "generation 7 is live\n")


def test_one_that_stays_away_is_waited_for_for_a_minute() -> None:
    class Gone(cli.Client):
        async def ask(self, consumer: str, *_: object, **__: object) -> dict[str, Any]:
            raise cli.NotThere(f"{consumer} does not answer")

    async def waited() -> float:
        async with aiohttp.ClientSession() as http:
            with pytest.raises(cli.OperationFailed, match=r"generation 7 is being built, and how"):
                await cli.progress(Gone(http, "127.0.0.1", PROGRAM), 7)
        return asyncio.get_running_loop().time()

    assert 55 < virtual_time.run(waited()) < 65


def test_a_query_consumer_that_does_not_run_is_told(command: Command) -> None:
    host = free_host()

    ended = command("rebuild", HOST=host)

    assert ended.status == 1
    assert ended.one_line == (
        f"query-consumer does not answer at http://{host}:8094: is it running?"
    )
