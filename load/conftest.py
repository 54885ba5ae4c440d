"""Systems and runs of load for these tests: child processes all, so that no pytest loads Locust."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from scenarios.operations.program import free_host

ROOT = Path(__file__).parents[1]
DEADLINE_S = 600.0
"""Far more than any run needs, also where twenty others want the same two cores."""
READY = "Ctrl-C stops"
LOCUST = (sys.executable, "-m", "locust", "-f", str(ROOT / "load" / "orders.py"))


@dataclass
class Ended:
    """How a run ended."""

    status: int
    out: str
    err: str

    def verdict(self, promise: str) -> str:
        """What the judge said of it."""
        (line,) = (line for line in self.out.splitlines() if line.startswith(f"{promise} "))
        return line.removeprefix(promise).strip()

    @property
    def orders_judged(self) -> int:
        return int(self.verdict("nothing_unasked").split()[1])


@dataclass
class LoadRun:
    """One run of `locust -f load/orders.py`, or of another command."""

    process: subprocess.Popen[str]
    directory: Path
    ended_as: Ended | None = field(default=None)

    def ended(self) -> Ended:
        """Wait for its end."""
        if self.ended_as is None:
            out, err = self.process.communicate(timeout=DEADLINE_S)
            self.ended_as = Ended(self.process.returncode, out, err)
        return self.ended_as

    def until(self, record: str, *, times: int) -> None:
        """Wait until its evidence has so many records of a kind."""
        ends_at = time.monotonic() + DEADLINE_S
        while self._evidence().count(f'{{"{record}":') < times:
            assert self.process.poll() is None, self.ended()
            assert time.monotonic() < ends_at, self._evidence()
            time.sleep(0.1)

    def _evidence(self) -> str:
        files = self.directory.glob("load-evidence/*.jsonl")
        return "".join(file.read_text(encoding="utf-8") for file in files)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)


def started(command: Sequence[str], directory: Path, **variables: str) -> LoadRun:
    ours = ("LOCUST_", "HOST", "PORT", "INSTANCE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return LoadRun(
        subprocess.Popen(
            command,
            cwd=directory,
            env={**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        ),
        directory,
    )


def load(directory: Path, host: str, *arguments: str) -> LoadRun:
    """Start a short run without a web page."""
    base = ("--headless", "--only-summary", "-H", f"http://{host}", "--rest-within", "300")
    return started([*LOCUST, *base, *arguments], directory)


@dataclass(frozen=True)
class System:
    """A system that runs in a child process."""

    host: str
    process: subprocess.Popen[bytes]

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if READY in line.decode():
                return
        raise AssertionError("the system ended before it was ready")


@contextmanager
def systems() -> Iterator[dict[str, System]]:
    """A healthy system, and one with every bug: each breaks promises that no other breaks."""
    commands = {
        "healthy": ("system",),
        "buggy": ("load", "mutant", "oversell", "lost-event", "missing-view"),
    }
    running: dict[str, System] = {}
    try:
        for name, command in commands.items():
            host = free_host()
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env={**os.environ, "HOST": host, "LOG_LEVEL": "error", "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
            )
            running[name] = System(host, process)
        yield running
    finally:
        for system in running.values():
            system.process.kill()
            system.process.wait()
            assert system.process.stdout is not None
            system.process.stdout.close()


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, LoadRun]]:
    """All runs of these tests, at the same time: most of each is waiting for rest."""

    def folder(name: str) -> Path:
        return tmp_path_factory.mktemp(name)

    begun: dict[str, LoadRun] = {}
    try:
        with systems() as there:
            for system in there.values():
                system.wait_until_ready()
            healthy, buggy = there["healthy"].host, there["buggy"].host
            few = ("-u", "4", "-r", "4")
            begun["Shopper"] = load(folder("s"), healthy, *few, "Shopper")
            begun["HotProduct Arrivals"] = load(
                folder("ha"), healthy, *few, "--rate", "5", "HotProduct", "Arrivals"
            )
            begun["Browser"] = load(folder("b"), healthy, "-u", "2", "Browser")
            begun["a shape"] = load(
                folder("shape"), healthy, "-u", "2", "-r", "2", "--shape", "soak", "Browser"
            )
            begun["buggy"] = load(folder("bugs"), buggy, *few, "--hot-stock", "4", "HotProduct")
            begun["two workers"] = load(
                folder("w"), healthy, *few, "-t", "3s", "--processes", "2", "Shopper"
            )
            begun["Shopper"].until("seen", times=20)
            begun["HotProduct Arrivals"].until("seen", times=20)
            begun["Browser"].until("asked", times=10)
            begun["a shape"].until("asked", times=10)
            begun["a shape"].process.terminate()
            begun["buggy"].until("asked", times=30)
            for name in ("Shopper", "HotProduct Arrivals", "Browser", "buggy"):
                begun[name].interrupt()
            yield begun
    finally:
        for run in begun.values():
            run.process.kill()
            run.process.communicate()
