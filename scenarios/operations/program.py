"""`python -m system …` as its users have it: a process with arguments, settings, output and a status.

It runs in a directory of its own, where no `.env` is but the test's, and listens on a loopback
address of its own: so any number of them, each on the eight ports that are fixed, run beside each
other. Where a machine has only one such address (macOS), that one is taken.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from system.events import BY_TYPE
from system.roles import ROLES
from system.settings import Settings

ROOT = Path(__file__).parents[2]
PORTS = {spec.name: spec.port for spec in ROLES}
DEADLINE_S = 120.0
"""Far more than any cause needs: who waits so long waits in vain."""

Json = Any  # JSON as it came: the scenario knows its shape


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: Json

    @property
    def problem(self) -> str | None:
        is_problem = isinstance(self.body, dict) and "type" in self.body
        return str(self.body["type"]).removeprefix("/problems/") if is_problem else None


def send(
    url: str, body: bytes | None = None, *, method: str = "GET", headers: dict[str, str]
) -> Reply:
    """One HTTP request. Raises OSError when nobody answers."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=DEADLINE_S)
    with closing(connection):
        query = f"?{parts.query}" if parts.query else ""
        connection.request(method, parts.path + query, body, headers)
        answer = connection.getresponse()
        return Reply(answer.status, dict(answer.headers), json.loads(answer.read() or b"null"))


def eventually(
    look: Callable[[], Any], is_so: Callable[[Any], object] = bool, *, pause_s: float = 0.01
) -> Any:
    """Look again and again until it is so; what was seen then. Raises AssertionError."""
    ends_at = time.monotonic() + DEADLINE_S
    while True:
        seen = look()
        if is_so(seen):
            return seen
        assert time.monotonic() < ends_at, f"not so in {DEADLINE_S:g} s; last seen: {seen!r}"
        time.sleep(pause_s)


def free_host() -> str:
    """A loopback address on which nobody listens on one of the eight ports."""
    chance = random.SystemRandom()
    for _ in range(50):
        host = f"127.{chance.randrange(1, 255)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
        if all(_is_free(host, port) for port in PORTS.values()):
            return host
    return "127.0.0.1"


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def _is_free(host: str, port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def environment(**settings: str) -> dict[str, str]:
    """The variables of a process that has these settings, and none of ours otherwise."""
    ours = {str(field.validation_alias) for field in Settings.model_fields.values()}
    ours |= {"PYTHONUNBUFFERED"}  # it would hide an output that nobody flushed
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "PYTHONPATH": str(ROOT), **settings}


class Output:
    """The lines of a stream, as they come."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with self._stream:
            for line in self._stream:
                with self._news:
                    self._lines.append(line)
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_for(self, text: str, *, times: int = 1) -> None:
        """Until so many lines have this text. Raises AssertionError if the stream ends before."""

        def is_there() -> bool:
            return self._ended or sum(text in line for line in self._lines) >= times

        with self._news:
            assert self._news.wait_for(is_there, DEADLINE_S), f"no {text!r} in {self._lines}"
            assert sum(text in line for line in self._lines) >= times, self._lines

    def all(self) -> str:
        """Everything, once it has ended."""
        self._reader.join(DEADLINE_S)
        return "".join(self._lines)

    @property
    def so_far(self) -> str:
        with self._news:
            return "".join(self._lines)


class Program:
    """One run of `python -m system`."""

    def __init__(
        self,
        *arguments: str,
        directory: Path,
        host: str = "",
        python: tuple[str, ...] = (),
        stdout: int = subprocess.PIPE,
        **settings: str,
    ) -> None:
        self.host = host or free_host()
        self._process = subprocess.Popen(
            [sys.executable, *python, "-m", "system", *arguments],
            cwd=directory,
            env=environment(HOST=self.host, **settings),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.out = Output(self._process.stdout) if self._process.stdout else None
        assert self._process.stderr is not None
        self.err = Output(self._process.stderr)

    # --- its life ---------------------------------------------------------------------------------

    def greeting(self) -> str:
        """What it prints once it is ready for work."""
        assert self.out is not None
        try:
            self.out.wait_for("Ctrl-C stops")
        except AssertionError:
            raise AssertionError(f"no greeting; it said: {self.err.so_far}") from None
        return self.out.so_far

    def tell(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, timeout_s: float = DEADLINE_S) -> int:
        """Its exit status."""
        return self._process.wait(timeout_s)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> Ended:
        """Ask it to stop, and wait for its end."""
        began = time.monotonic()
        self.tell(number)
        status = self.wait()
        return Ended(
            status, time.monotonic() - began, self.out.all() if self.out else "", self.err.all()
        )

    def ended(self) -> Ended:
        """Wait for the end that it comes to by itself."""
        status = self.wait()
        return Ended(status, 0.0, self.out.all() if self.out else "", self.err.all())

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    # --- what it is asked -------------------------------------------------------------------------

    def url(self, role: str, path: str = "") -> str:
        return f"http://{self.host}:{PORTS[role]}{path}"

    def ask(self, role: str, method: str, path: str, body: Json = None, **headers: str) -> Reply:
        sent = {} if body is None else {"Content-Type": "application/json"}
        raw = None if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return send(self.url(role, path), raw, method=method, headers={**sent, **named})

    def get(self, role: str, path: str) -> Reply:
        return self.ask(role, "GET", path)

    def try_get(self, role: str, path: str) -> Reply | None:
        """The reply, or None while nobody listens."""
        try:
            return self.get(role, path)
        except OSError:
            return None

    def make(self, role: str, path: str, body: Json) -> Json:
        """POST; the resource that it made."""
        reply = self.ask(role, "POST", path, body)
        assert reply.status == 201, reply
        return reply.body

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.err.so_far.splitlines()]


def poison(data: Path, *topics: str, payload: bytes = b"{}") -> None:
    """Put messages into the outbox of a running system that nobody can read."""
    rows = [(BY_TYPE[topic].aggregate, f"{topic}/0", topic, payload) for topic in topics]
    with (
        closing(sqlite3.connect(data / "write-model.sqlite", timeout=DEADLINE_S)) as database,
        database,
    ):
        database.executemany(
            "INSERT INTO outbox"
            " (aggregate, lane, event_type, message_key, payload, headers, created_at)"
            " VALUES (?, ?, ?, '999', ?, x'7b7d', '2026-01-01 00:00:00.000000')",
            rows,
        )


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    status: int
    took_s: float
    out: str
    err: str

    @property
    def one_line(self) -> str:
        """The only thing it said, on stderr."""
        assert self.out == ""
        (line,) = self.err.splitlines()
        assert line.startswith("python -m system: ")
        return line.removeprefix("python -m system: ")


@contextmanager
def programs() -> Iterator[Callable[..., Program]]:
    """Starts programs, and ends those that are left."""
    started: list[Program] = []

    def start(*arguments: str, **options: Any) -> Program:
        started.append(Program(*arguments, **options))
        return started[-1]

    try:
        yield start
    finally:
        for program in started:
            if program.runs:
                program.kill()
