"""The processes of a stranger: started by their commands, killed, and looked after."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp

from chaos.kit.blackbox import Process
from scenarios.harness.servers.common import HOST, knock, last_words_of

STOP_S = 10.0
LOOK_S = 0.1
ASK_S = 2.0


class NotReady(Exception):
    """A process was not ready in time. One line, which ends with its last words."""


class Running:
    """One process, under the same port and log from start to start."""

    def __init__(
        self,
        process: Process,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        port: int,
        adapter: Path,
        logs: Path,
    ) -> None:
        self.process = process
        self.port = port
        self.falls: list[str] = []
        """How it ended by itself, where that is a failure."""
        self._command = command
        self._environment = environment
        self._folder = adapter / process.folder
        self._log = logs / f"{process.name}.log"
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Run it, if it does not. Raises NotReady when there is no such program."""
        if self._running is not None:
            return
        try:
            with self._log.open("ab") as log:
                self._running = subprocess.Popen(
                    (*_dying_with_us(), *self._command),
                    cwd=self._folder,
                    env={**os.environ, **self._environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise NotReady(f"{self.process.name} cannot be started: {error}") from None

    def has_fallen(self) -> bool:
        """Whether it has ended by itself. It is noted, and may be started again."""
        if self._running is None or (status := self._running.poll()) is None:
            return False
        _kill_all_of(self._running)
        self._running = None
        if self.process.falls == "failure":
            self.falls.append(f"{self.process.name} ended with {status}: {self.last_words}")
        return True

    @property
    def last_words(self) -> str:
        return last_words_of(self._log)

    async def kill(self) -> None:
        """End it as `kill -9` does."""
        self.has_fallen()
        running, self._running = self._running, None
        if running is None:
            return
        _kill_all_of(running)
        ends_at = _now() + STOP_S
        while running.poll() is None and _now() < ends_at:
            await asyncio.sleep(0.01)

    async def until_ready(self) -> None:
        """Raises NotReady."""
        ends_at = _now() + self.process.grace_s
        while not await self._is_ready():
            if self.has_fallen():
                if self.process.falls == "failure":
                    raise NotReady(f"{self.process.name} ended at its start: {self.last_words}")
                self.start()
            if _now() > ends_at:
                raise NotReady(
                    f"{self.process.name} was not ready after {self.process.grace_s:g} s"
                    f" ({self.process.ready}): {self.last_words}"
                )
            await asyncio.sleep(LOOK_S)

    async def _is_ready(self) -> bool:
        how = self.process.ready
        if how == "running":
            return True
        if how == "tcp":
            try:
                await knock(self.port)
            except OSError:
                return False
            return True
        timeout = aiohttp.ClientTimeout(total=ASK_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self.url + how.removeprefix("GET ")) as answer,
            ):
                return answer.status < 300
        except (aiohttp.ClientError, TimeoutError):
            return False


async def start_all(processes: Mapping[str, Running]) -> None:
    """Start all, each after those that it names. Raises an ExceptionGroup of NotReady."""
    ready = {name: asyncio.Event() for name in processes}

    async def start(running: Running) -> None:
        for name in running.process.after:
            await ready[name].wait()
        running.start()
        await running.until_ready()
        ready[running.process.name].set()

    async with asyncio.TaskGroup() as tasks:
        for running in processes.values():
            tasks.create_task(start(running))


async def look_after(processes: Mapping[str, Running], killed: set[str]) -> None:
    """Start again what ends by itself, but for what is killed right now, until cancelled."""
    while True:
        for name, running in processes.items():
            if name not in killed and running.has_fallen():
                running.start()
        await asyncio.sleep(LOOK_S)


def _kill_all_of(process: subprocess.Popen[bytes]) -> None:
    """Kill it with all that it has started: a shell that was told no `exec` has its server as a child."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _dying_with_us() -> tuple[str, ...]:
    """A prefix by which Linux kills the process when this one dies, even by SIGKILL."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL") if setpriv else ()
