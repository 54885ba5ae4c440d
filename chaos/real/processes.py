"""One role of the system as a process of its own, which can be killed, paused and started again."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

import system
from scenarios.harness.servers.common import HOST, free_port, last_words_of
from system.settings import Settings

STOP_S = 12.0
"""A role promises to end within ten seconds; what is not ended by then is stuck."""
SYSTEM = ("-m", "system")
"""What Python runs."""
LOOK_S = 0.05
ASK_S = 2.0

_OURS = {str(field.validation_alias) for field in Settings.model_fields.values()}


class Role:
    """A role under one name: the same port and instance from start to start."""

    def __init__(
        self,
        role: str,
        instance: int,
        environment: Mapping[str, str],
        folder: Path,
        *,
        program: Sequence[str] = SYSTEM,
    ) -> None:
        self.role = role
        self.name = role if instance == 1 else f"{role}-{instance}"
        self.port = free_port()
        self.log = folder / f"{self.name}.log"
        self.failures: list[str] = []
        """How it broke the promise to run until it is asked to stop, and then to end in time."""
        self._environment = environment
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Its process, if it runs."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Run it, if it does not. Does not wait until it is ready: its stores may be away."""
        if self._process is not None and self._process.poll() is None:
            return
        self.note_fall()
        self._process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        own = {name: value for name, value in os.environ.items() if name not in _OURS}
        root = Path(system.__file__).parent.parent
        settings = {
            **self._environment,
            "PORT": str(self.port),
            "INSTANCE": self.name,
            "LOG_FORMAT": "json",
            "PYTHONPATH": str(root),
        }
        with self.log.open("ab") as log:
            return subprocess.Popen(
                (*_dying_with_us(), sys.executable, *self._program, self.role),
                cwd=self.log.parent,  # where no .env lies
                env=own | settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def note_fall(self) -> None:
        """Remember it as a failure, if it has ended by itself."""
        process = self._process
        if process is not None and (status := process.poll()) is not None:
            self._process = None
            words = last_words_of(self.log)
            self.failures.append(f"{self.name} ended by itself, status {status}: {words}")

    async def kill(self) -> None:
        """End it as `kill -9` does."""
        self.note_fall()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await _ended(process, STOP_S)

    async def pause(self) -> None:
        """Let it stand still, as a machine that swaps or a debugger does, until `resume`."""
        self._signal(signal.SIGSTOP)

    async def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, sign: signal.Signals) -> None:
        self.note_fall()
        if self._process is not None:
            self._process.send_signal(sign)

    async def stop(self) -> None:
        """Ask it to stop, and wait for its end; a failure is noted, not raised."""
        self.note_fall()
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        if not await _ended(process, STOP_S):
            self.failures.append(f"{self.name} did not end within {STOP_S:g} s of SIGTERM")
            process.kill()
            await _ended(process, STOP_S)
        elif process.returncode != 0:
            words = last_words_of(self.log)
            self.failures.append(f"{self.name} ended with {process.returncode}: {words}")

    async def is_ready(self, session: aiohttp.ClientSession) -> bool:
        """Whether it says itself that it is ready for work."""
        return await self._is_well(session, "/readyz")

    async def is_alive(self, session: aiohttp.ClientSession) -> bool:
        """Whether its process answers."""
        return await self._is_well(session, "/healthz")

    async def _is_well(self, session: aiohttp.ClientSession, path: str) -> bool:
        timeout = aiohttp.ClientTimeout(total=ASK_S)
        try:
            async with session.get(f"{self.url}{path}", timeout=timeout) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False


async def _ended(process: subprocess.Popen[bytes], bound_s: float) -> bool:
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + bound_s
    while process.poll() is None and loop.time() < ends_at:
        await asyncio.sleep(LOOK_S)
    return process.poll() is not None


def _dying_with_us() -> tuple[str, ...]:
    """A prefix by which Linux kills the role when this process dies, even by SIGKILL."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL") if setpriv else ()
