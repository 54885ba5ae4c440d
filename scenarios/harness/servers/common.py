"""What the local servers share: a cache, free ports, and a life of fetch, start, kill, stop."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Protocol

FETCH_S = 900.0
START_S = 90.0
STOP_S = 10.0
ANSWER_S = 3.0
HOST = "127.0.0.1"
ALIVE = "harness.lock"
"""Locked in each throw-away folder for as long as its harness lives."""
ERROR = re.compile(r"\b(ERROR|FATAL)\b")
LAST_BYTES = 2**16
"""Of a log, where last words are looked for."""
PORTS = range(20_000, 32_000)
"""Below Linux's range for outgoing connections, which would take the port of a killed server."""


class Missing(Exception):
    """Something that the local servers need is not here. One line, which says how to get it."""


class NotStarted(Exception):
    """A server died or did not answer in time. One line, which ends with its last words."""


def say(text: str) -> None:
    """Tell whoever waits; stdout is for results."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


# Where Debian keeps the servers and chroot; not every user's PATH has it.
os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def need(program: str, how: str) -> str:
    """The path of a program, or Missing with the way to get it."""
    found = shutil.which(program)
    if found is None:
        raise Missing(f"{program} is not on the PATH: {how}")
    return found


_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on, and that no harness of this user has been given and still runs.

    A server that was killed listens on none of its ports, and comes back to them.
    """
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        if port not in _given and _is_reserved(port) and _is_free(port):
            _given.add(port)
            return port
    raise NotStarted(f"no free port in {PORTS.start}-{PORTS.stop - 1}")


def _is_reserved(port: int) -> bool:
    """Whether it is ours: the byte of that number in a file is locked for as long as this process lives."""
    try:
        fcntl.lockf(_reservations(cache_folder()), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _reservations(folder: Path) -> IO[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / "ports.lock").open("ab")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


async def knock(port: int) -> None:
    """Raise OSError if nobody listens on that port."""
    _, writer = await asyncio.open_connection(HOST, port)
    writer.close()


# --- fetching ---------------------------------------------------------------------------------


def cache_folder() -> Path:
    """Where fetched servers are kept from run to run, outside the tree."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "event-driven-kit"


async def fetched(name: str, fetch: Callable[[Path], Awaitable[None]]) -> Path:
    """The folder `name` of the cache; `fetch` fills it if need be, wholly or not at all."""
    folder = cache_folder() / name
    if folder.is_dir():
        return folder
    async with only_one(name):
        if folder.is_dir():  # another process fetched it while this one waited
            return folder
        for left in cache_folder().glob(f".{name}-*"):  # by one that was killed: we hold the lock
            shutil.rmtree(left, ignore_errors=True)
        began = time.monotonic()
        say(f"{name}: fetching, once, into {folder}")
        part = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=cache_folder()))
        part.chmod(0o755)
        try:
            await fetch(part)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)  # gone already if all went well
        say(f"{name}: fetched in {time.monotonic() - began:.0f} s")
    return folder


@asynccontextmanager
async def only_one(name: str) -> AsyncIterator[None]:
    """Hold a lock among all processes that use the cache; it ends with its process."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / f"{name}.lock").open("w") as lock:
        deadline = time.monotonic() + FETCH_S
        while not _locked(lock):
            if time.monotonic() > deadline:
                raise Missing(f"another process has been fetching {name} for {FETCH_S:.0f} s")
            await asyncio.sleep(0.2)
        yield


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def run(
    *command: str | Path, env: dict[str, str] | None = None, bound_s: float = FETCH_S
) -> str:
    """Run a program to its end and return what it printed; Missing if it fails or hangs."""
    need(str(command[0]), "install it")
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | (env or {}),
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(bound_s):
            printed, _ = await process.communicate()
    except TimeoutError:
        raise Missing(f"{command[0]} took longer than {bound_s:.0f} s: {_line(command)}") from None
    finally:
        await _ended(process)
    text = printed.decode(errors="replace")
    if process.returncode:
        raise Missing(f"{_line(command)} failed: {last_words(text)}")
    return text


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End the program and its children: politely first, since some have mounts to undo."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await process.wait()


def _line(command: Sequence[str | Path]) -> str:
    return " ".join(map(str, command))


def last_words(text: str, lines: int = 3) -> str:
    """The end of a program's output on one line.

    Of what a log calls an error, if there is any: Kafka says last how it shuts down, and before that why.
    """
    said = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in said if ERROR.search(line)]
    return " | ".join((errors or said)[-lines:])[-600:] or "(it said nothing)"


def last_words_of(log: Path, lines: int = 3) -> str:
    """The same of a file, of which only the end is read: a system may write a gigabyte."""
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - LAST_BYTES))
        return last_words(file.read().decode(errors="replace"), lines)


# --- running ----------------------------------------------------------------------------------


class Process(Protocol):
    """What runs a server. `subprocess.Popen` is one."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def send_signal(self, sig: int, /) -> None: ...
    def kill(self) -> None: ...
    def wait(self, timeout: float) -> int: ...


class Server(ABC):
    """One server in a throw-away folder: the same data and port from start to start, until stop."""

    name: str

    def __init__(self) -> None:
        self.port = free_port()
        self.folder: Path | None = None
        self._process: Process | None = None
        self._alive: IO[str] | None = None

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    @abstractmethod
    def product(self) -> str:
        """What it is, with its version; known once it was started."""

    @abstractmethod
    async def fetch(self) -> None:
        """Get the program, once. Raises Missing."""

    @abstractmethod
    def _command(self, folder: Path) -> Sequence[str | Path]: ...

    def _variables(self) -> Mapping[str, str]:
        """What its environment has beside this process's own."""
        return {}

    @abstractmethod
    async def _greet(self) -> None:
        """Ask it for a sign of life; any exception says not yet."""

    def _folders(self) -> Path:
        """Where the throw-away folders of this server are made."""
        return Path(tempfile.gettempdir())

    def _make_folder(self) -> Path:
        prefix = f"event-driven-kit-{self.name}-"
        _sweep(self._folders(), prefix)
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=self._folders()))
        self._alive = (folder / ALIVE).open("w")
        _locked(self._alive)
        return folder

    async def _prepare(self, folder: Path) -> None:  # noqa: B027 (most have nothing to do)
        """Make the data of a new server."""

    async def start(self) -> None:
        """Start it, after `kill` on the same data and port; return once it answers.

        One that does not come back keeps its folder until `stop`: its log says why.
        """
        if self.running:
            return
        await self.fetch()
        began = time.monotonic()
        is_new = self.folder is None
        try:
            if self.folder is None:
                self.folder = self._make_folder()
                await self._prepare(self.folder)
            self._process = self._spawn(self.folder)
            await self._ready(self._process, self.folder)
        except BaseException:  # also Ctrl-C: leave no process and no folder behind
            await (self.stop() if is_new else self.kill())
            raise
        say(f"{self.name}: {self.product} on {self.address} in {time.monotonic() - began:.1f} s")

    @property
    def pid(self) -> int:
        """Its process, while it runs."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _spawn(self, folder: Path) -> Process:
        # Not asyncio's own subprocess: that belongs to one event loop, and a server is used
        # from the loops of many tests. A session of its own keeps the terminal's Ctrl-C away
        # from it, so that the harness stops it in order.
        with (folder / "server.log").open("ab") as log:
            return subprocess.Popen(
                (*_dying_with_us(), *self._command(folder)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._variables()},
                start_new_session=True,
            )

    async def _ready(self, process: Process, folder: Path) -> None:
        deadline = time.monotonic() + START_S
        why = "nothing"
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise NotStarted(f"{self.name} died at its start: {self._last_words(folder)}")
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._greet()
                return
            except (NotStarted, Missing):
                raise
            except Exception as error:  # noqa: BLE001 (what clients raise before a server is up)
                why = repr(error)
            await asyncio.sleep(0.1)
        raise NotStarted(
            f"{self.name} did not answer within {START_S:.0f} s ({why}): {self._last_words(folder)}"
        )

    def _last_words(self, folder: Path) -> str:
        return last_words_of(folder / "server.log")

    async def kill(self) -> None:
        """Kill it with SIGKILL, as a crash would. Its data stay for the next start."""
        await self._end(signal.SIGKILL)

    async def pause(self) -> None:
        """Let it stand still, connections and all, as a machine that swaps does, until `resume`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    async def resume(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        """Stop it and delete its folder."""
        try:
            await self._end(signal.SIGTERM)
        finally:
            if self.folder is not None:
                shutil.rmtree(self.folder, ignore_errors=True)
                self.folder = None
            if self._alive is not None:
                self._alive.close()

    async def _end(self, sign: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.send_signal(sign)
            deadline = time.monotonic() + STOP_S
            while process.poll() is None and time.monotonic() < deadline:
                await asyncio.sleep(0.02)
        finally:
            process.kill()  # does nothing to one that has ended
            process.wait(STOP_S)


def _sweep(parent: Path, prefix: str) -> None:
    """Delete what a harness left that was killed: its lock is free, and not just being made."""
    for alive in parent.glob(f"{prefix}*/{ALIVE}"):
        with suppress(FileNotFoundError), alive.open() as lock:
            if time.time() - alive.stat().st_mtime > START_S and _locked(lock):
                shutil.rmtree(alive.parent, ignore_errors=True)


def _dying_with_us() -> tuple[str, ...]:
    """A prefix by which Linux kills the server when this process dies, even by SIGKILL."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL") if setpriv else ()
