"""`python -m system dead-letters`: what could not be handled is listed, shown, replayed, purged."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from scenarios.operations.conftest import Command, Start
from scenarios.operations.program import (
    DEADLINE_S,
    PORTS,
    Ended,
    Program,
    environment,
    eventually,
    free_host,
    free_port,
    poison,
    programs,
    send,
)

HOSTILE = b'{"name": "\x1b[31mred\x07", "text": "two\\nlines"}'
MANY = 250
"""More than one request resolves."""


@dataclass(frozen=True, slots=True)
class System:
    program: Program
    data: Path
    command: Command

    def __call__(self, *arguments: str) -> Ended:
        """Run `dead-letters …` against it."""
        return self.command("dead-letters", *arguments, HOST=self.program.host)

    def letters(self, *arguments: str) -> list[dict[str, Any]]:
        ended = self("list", "--json", *arguments)
        assert ended.status == 0, ended.err
        found: list[dict[str, Any]] = json.loads(ended.out)
        return found

    def ids(self, *arguments: str) -> list[str]:
        return [letter["id"] for letter in self.letters(*arguments)]

    def purges(self) -> list[dict[str, Any]]:
        """What the consumers' log says of requests to purge."""
        return [line for line in self.program.log if line.get("path", "").endswith("/purge")]

    def poison(self, *topics: str, letters: int, payload: bytes = b"{}") -> list[dict[str, Any]]:
        """Put messages into it that nobody can read; the new letters, once there are so many."""
        before = set(self.ids())
        poison(self.data, *topics, payload=payload)
        now = eventually(self.letters, lambda found: len(found) == len(before) + letters)
        return [letter for letter in now if letter["id"] not in before]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, Path]]:
    """A system in which whatever fails becomes a dead letter soon, however slow the machine is."""
    directory = tmp_path_factory.mktemp("cwd")
    patience = {"SQL_TIMEOUT": "30s", "HTTP_TIMEOUT": "30s"}
    with programs() as start:
        program = start(
            *("--data", "data"),
            directory=directory,
            RETRY_DELAYS="5ms,5ms",
            SERVICE_NAME="webshop",
            **patience,
        )
        program.greeting()
        yield program, directory / "data"


@pytest.fixture
def system(running: tuple[Program, Path], command: Command) -> Iterator[System]:
    """The running system, with no letter open."""
    made = System(*running, command)
    assert made.ids() == []
    yield made
    assert made("purge", "--all").status == 0


# --- list and show --------------------------------------------------------------------------------


def test_without_any_it_says_so(system: System) -> None:
    assert system("list").out == "0 dead letters open\n"
    assert system.letters() == []


def test_they_come_in_an_order_that_stays(system: System) -> None:
    system.poison("order.created", "stock.reserved", "order.created", letters=6)

    ids = system.ids()

    assert ids == system.ids()
    of = [tuple(id.split(":")) for id in ids]
    assert [consumer for _, _, _, consumer in of] == [
        *["product-consumer"] * 2,
        "order-consumer",
        *["query-consumer"] * 3,
    ]
    offsets = [int(offset) for _, _, offset, consumer in of if consumer == "product-consumer"]
    assert offsets == sorted(offsets)


def test_they_are_named_by_the_role_whatever_the_service_name(system: System) -> None:
    letters = system.poison("order.created", letters=2)

    assert {letter["consumer"] for letter in letters} == {"product-consumer", "query-consumer"}


def test_a_line_has_the_name_and_the_reason(system: System) -> None:
    system.poison("order.paid", letters=1)

    line, count = system("list").out.splitlines()

    (id,) = system.ids()
    assert line.startswith(f"{id}  Poison: no order.paid")
    assert count == "1 dead letter open"


def test_those_of_a_topic_or_a_consumer_can_be_asked_for(system: System) -> None:
    system.poison("order.created", "order.paid", letters=3)

    assert Counter(id.split(":")[0] for id in system.ids("--topic", "order.paid")) == {
        "order.paid": 1
    }
    assert Counter(id.split(":")[3] for id in system.ids("--consumer", "product-consumer")) == {
        "product-consumer": 1
    }
    assert system.ids("--topic", "order.paid", "--consumer", "product-consumer") == []


def test_one_is_shown_whole_and_moves_no_cursor(system: System) -> None:
    (letter,) = system.poison("order.paid", letters=1, payload=HOSTILE)

    ended = system("show", letter["id"])

    assert ended.status == 0
    assert "\x1b" not in ended.out
    assert "\x07" not in ended.out
    facts = {line[:16].strip(): line[16:] for line in ended.out.splitlines()}
    assert facts["id"] == letter["id"]
    assert facts["consumer"] == "query-consumer"
    assert facts["key"] == "999"
    assert facts["attempts"] == "1"
    assert facts["value"] == r'{"name": "\x1b[31mred\x07", "text": "two\nlines"}'
    assert "Poison" in ended.out.splitlines()[-1], "the traceback ends with the error"


def test_json_has_the_very_bytes(system: System) -> None:
    (letter,) = system.poison("order.paid", letters=1, payload=b"\xff\x00" + HOSTILE)

    shown = json.loads(system("show", letter["id"], "--json").out)

    assert b64decode(shown["value_base64"]) == b"\xff\x00" + HOSTILE
    assert b64decode(shown["key_base64"]) == b"999"


# --- replay and purge -----------------------------------------------------------------------------


def test_a_replay_heals_what_failed_for_a_reason_that_is_gone(system: System) -> None:
    rename_reservations(system.data, "reservations", "elsewhere")
    order = place_order(system.program)
    (id,) = eventually(system.ids)
    rename_reservations(system.data, "elsewhere", "reservations")

    ended = system("replay", id)

    assert (ended.status, ended.out) == (0, f"{id}\n1 dead letter replayed\n")
    eventually(
        lambda: system.program.get("query-api", f"/orders/{order}").body.get("reservation"),
        lambda reservation: reservation == "reserved",
    )
    assert system.letters() == []


def test_what_fails_again_is_a_new_letter(system: System) -> None:
    (letter,) = system.poison("order.paid", letters=1)

    system("replay", "--all")

    (again,) = eventually(system.letters)
    assert again["id"] != letter["id"]
    assert again["offset"] > letter["offset"]


def test_a_purged_one_is_gone(system: System) -> None:
    (letter,) = system.poison("order.paid", letters=1)

    assert system("purge", letter["id"]).out == f"{letter['id']}\n1 dead letter purged\n"

    assert system.ids() == []
    assert "no open dead letter" in system("show", letter["id"]).one_line


def test_a_dry_run_says_what_it_would_do_and_does_nothing(system: System) -> None:
    system.poison("order.created", letters=2)
    ids = system.ids()

    for name, done in (("replay", "replayed"), ("purge", "purged")):
        ended = system(name, "--all", "--dry-run")
        assert ended.out.splitlines() == [*ids, f"2 dead letters would be {done}"]
    assert system.ids() == ids


def test_topic_and_consumer_narrow_down_what_is_meant(system: System) -> None:
    system.poison("order.created", "order.paid", letters=3)

    system("purge", "--topic", "order.created", "--consumer", "query-consumer")

    left = [tuple(id.split(":")[::3]) for id in system.ids()]
    assert left == [("order.created", "product-consumer"), ("order.paid", "query-consumer")]


def test_one_that_is_named_twice_is_meant_once(system: System) -> None:
    (letter,) = system.poison("order.paid", letters=1)

    ended = system("purge", letter["id"], letter["id"], "--json")

    assert json.loads(ended.out) == [letter]


def test_many_are_done_in_as_many_requests_as_it_takes(system: System) -> None:
    system.poison(*["order.paid"] * MANY, letters=MANY)

    before = len(system.purges())

    ended = system("purge", "--all")

    assert ended.out.splitlines()[-1] == f"{MANY} dead letters purged"
    assert system.ids() == []
    assert len(system.purges()) - before == 2 * 3, "looked up first, then done, in three pieces"


def test_nothing_to_do_is_no_failure(system: System) -> None:
    ended = system("replay", "--all")

    assert (ended.status, ended.out) == (0, "0 dead letters replayed\n")


# --- what cannot be -------------------------------------------------------------------------------


def test_one_that_is_not_there_leaves_all_the_others_alone(system: System) -> None:
    system.poison("stock.reserved", letters=2)
    ids = system.ids()
    missing = "order.paid:0:999999:query-consumer"

    for name in ("replay", "purge"):
        ended = system(name, *ids, missing)
        assert ended.status == 1
        assert ended.one_line == f"query-consumer: There is no open dead letter {missing}."
    assert system.ids() == ids


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["replay"], "replay which? Give IDs, or else --topic, --consumer or --all"),
        (["purge", "--dry-run"], "purge which? Give IDs, or else --topic, --consumer or --all"),
        (["purge", "a:0:1:order-consumer", "--all"], "purge which?"),
        (["replay", "order.paid"], "'order.paid' is not TOPIC:PARTITION:OFFSET:CONSUMER"),
        (["show", "order.paid:0:1:nobody"], "is not TOPIC:PARTITION:OFFSET:CONSUMER"),
        (["show", "\x1b[2J"], r"'\\x1b[2J' is not"),
    ],
    ids=str,
)
def test_what_means_nothing_has_the_status_2(
    command: Command, arguments: list[str], line: str
) -> None:
    ended = command("dead-letters", *arguments)

    assert ended.status == 2
    assert line in ended.one_line


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "list|show|replay|purge"),
        (
            ["list", "--topic", "invoices"],
            "there is no 'invoices'; there are user.created",
        ),
        (["list", "--consumer", "order-api"], "there is no 'order-api'; there are user-consumer"),
        (["show"], "required: ID"),
        (["forget"], "there is no 'forget'; there are list"),
    ],
    ids=str,
)
def test_what_is_no_command_is_told_with_the_usage(
    command: Command, arguments: list[str], text: str
) -> None:
    ended = command("dead-letters", *arguments)

    assert ended.status == 2
    assert "usage: python -m system dead-letters" in ended.err
    assert text in ended.err


def test_a_system_that_does_not_run_is_named(command: Command) -> None:
    host = free_host()

    ended = command("dead-letters", "list", HOST=host)

    assert ended.status == 1
    assert ended.one_line == (
        f"no consumer answers at {host} on ports 8091 to 8094: is the system running?"
    )


def test_host_is_asked_rather_than_the_setting(system: System, command: Command) -> None:
    ended = command("dead-letters", "list", "--host", system.program.host, HOST=free_host())

    assert ended.status == 0


# --- who may --------------------------------------------------------------------------------------


def test_a_token_that_was_set_has_to_be_sent(start: Start, command: Command) -> None:
    program = start("user-consumer", "--stack", "embedded", ADMIN_TOKEN="open-sesame")
    eventually(lambda: program.try_get("user-consumer", "/healthz"))

    def listed(**settings: str) -> Ended:
        return command(
            "dead-letters", "list", "--consumer", "user-consumer", HOST=program.host, **settings
        )

    for settings in ({}, {"ADMIN_TOKEN": "sesame"}):
        ended = listed(**settings)
        assert ended.status == 1
        assert "user-consumer: it wants a token: set ADMIN_TOKEN" in ended.one_line
        assert "sesame" not in ended.err
    assert listed(ADMIN_TOKEN="open-sesame").status == 0


def test_without_a_token_no_other_machine_may(start: Start) -> None:
    address = own_address()
    if address is None:
        pytest.skip("not applicable: this machine has no address but its loopback's")
    port = free_port()
    start("user-consumer", "--stack", "embedded", host=address, PORT=str(port))
    base = f"http://{address}:{port}"
    eventually(lambda: reachable(f"{base}/healthz"))

    for method, path in (
        ("GET", "/admin/dead-letters"),
        ("POST", "/admin/dead-letters/replay"),
        ("POST", "/admin/dead-letters/purge"),
    ):
        reply = send(f"{base}{path}", b"{}", method=method, headers={"Host": "localhost"})
        assert (reply.status, reply.problem) == (403, "forbidden")


def reachable(url: str) -> bool:
    try:
        return send(url, headers={}).status == 200
    except OSError:
        return False


# --- where it is written --------------------------------------------------------------------------


def test_a_reader_that_has_gone_is_no_failure(system: System) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    with os.fdopen(writing, "w") as nobody:
        status, err = written_to(nobody, system.program.host)

    assert (status, err) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="not applicable: there is no /dev/full")
def test_a_disk_that_is_full_is_one(system: System) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        status, err = written_to(full, system.program.host)

    assert (status, err) == (1, "python -m system: cannot write: No space left on device\n")


def written_to(stdout: Any, host: str) -> tuple[int, str]:  # any file
    process = subprocess.run(
        [sys.executable, "-m", "system", "dead-letters", "list"],
        env=environment(HOST=host),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    return process.returncode, process.stderr


def own_address() -> str | None:
    """An address of this machine that others could use."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: asks for the way only
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return None if address.startswith("127.") else address


def rename_reservations(data: Path, old: str, new: str) -> None:
    """What a handler needs goes away, or comes back: an error that is nobody's outage."""
    with (
        closing(sqlite3.connect(data / "write-model.sqlite", timeout=DEADLINE_S)) as database,
        database,
    ):
        database.execute(f"ALTER TABLE {old} RENAME TO {new}")


def place_order(program: Program) -> int:
    user = program.make("user-api", "/users", {"name": "Ada", "email": "ada@example.com"})
    product = program.make("product-api", "/products", {"name": "Pen", "price": 1, "stock": 9})
    items = [{"product_id": product["id"], "quantity": 1}]
    order = program.make("order-api", "/orders", {"user_id": user["id"], "items": items})
    return int(order["id"])


LETTER = {"error_type": "Poison", "error": "no JSON"}


@contextmanager
def only(consumer: str) -> Iterator[tuple[str, list[str]]]:
    """A system of which this consumer alone runs: its address, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            (of,) = parse_qs(urlsplit(self.path).query)["consumer"]
            letters = [{"id": f"order.created:0:1:{of}", **LETTER}]
            body = json.dumps({"dead_letters": letters}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Tests read what is written to stderr."""

    host = free_host()
    with ThreadingHTTPServer((host, PORTS[consumer]), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield host, asked
        finally:
            server.shutdown()
            thread.join()


def test_letters_of_consumers_that_are_down_are_read_by_one_that_runs(command: Command) -> None:
    with only("order-consumer") as (host, asked):
        ended = command("dead-letters", "list", HOST=host)

    consumers = [name for name in PORTS if name.endswith("-consumer")]
    assert ended.status == 0
    assert [line.split()[0] for line in ended.out.splitlines()[:-1]] == [
        f"order.created:0:1:{consumer}" for consumer in consumers
    ]
    told = ended.err.splitlines()
    assert {line.split()[3] for line in told} == set(consumers) - {"order-consumer"}
    assert all(
        "order-consumer reads its dead letters in the log meanwhile" in line for line in told
    )
    assert len(asked) == len(consumers)


def test_of_several_who_replay_all_at_once_each_letter_is_replayed_by_one(system: System) -> None:
    letters = system.poison(*["user.created"] * 10, letters=10)
    consumer = letters[0]["consumer"]

    def replay(_: int) -> list[dict[str, Any]]:
        path = "/admin/dead-letters/replay"
        answer = system.program.ask(consumer, "POST", path, {"all": True})
        return list(answer.body["dead_letters"])

    with ThreadPoolExecutor(4) as at_once:
        replayed = Counter(
            letter["id"] for found in at_once.map(replay, range(4)) for letter in found
        )
    assert replayed.keys() >= {letter["id"] for letter in letters}
    assert set(replayed.values()) == {1}


def test_any_consumer_lists_and_replays_the_letters_of_another(system: System) -> None:
    (letter,) = system.poison("user.created", letters=1)
    other = system.program.get(
        "order-consumer", f"/admin/dead-letters?consumer={letter['consumer']}"
    ).body["dead_letters"]
    assert letter["id"] in [each["id"] for each in other]
    chosen = {"ids": [letter["id"]]}
    answer = system.program.ask("order-consumer", "POST", "/admin/dead-letters/purge", chosen)
    assert [each["id"] for each in answer.body["dead_letters"]] == [letter["id"]]
    assert letter["id"] not in system.ids()
