"""The eight roles, each as a process of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout

from scenarios.harness.servers.common import ANSWER_S, HOST, NotStarted, Server
from system.kit.spec import RoleSpec
from system.roles import ROLES

LOOK_S = 0.5


class RoleProcess(Server):
    """`python -m system ROLE`, ready once `/readyz` says so. Its log lies in its folder."""

    def __init__(
        self, spec: RoleSpec, environment: Mapping[str, str], *, free_port: bool = False
    ) -> None:
        super().__init__()
        self.name = spec.name
        if not free_port:
            self.port = spec.port
        self._environment = environment

    @property
    def product(self) -> str:
        return "ready"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def last_words(self) -> str:
        return self._last_words(self.folder) if self.folder else ""

    async def fetch(self) -> None:
        """It is here."""

    def _command(self, folder: Path) -> Sequence[str | Path]:
        return (sys.executable, "-m", "system", self.name)

    def _variables(self) -> Mapping[str, str]:
        return {**self._environment, "HOST": HOST, "PORT": str(self.port)}

    async def _greet(self) -> None:
        timeout = ClientTimeout(total=ANSWER_S)
        async with (
            ClientSession(timeout=timeout) as session,
            session.get(f"{self.url}/readyz") as answer,
        ):
            answer.raise_for_status()


@asynccontextmanager
async def roles(
    environment: Mapping[str, str], *, free_ports: bool = False
) -> AsyncIterator[Mapping[str, RoleProcess]]:
    """All eight, started at once and ready for work; stopped at the end.

    They listen on their own ports, or on free ones. Raises an ExceptionGroup of NotStarted.
    """
    processes = {spec.name: RoleProcess(spec, environment, free_port=free_ports) for spec in ROLES}
    try:
        async with asyncio.TaskGroup() as tasks:
            for process in processes.values():
                tasks.create_task(process.start())
        yield processes
    finally:
        await asyncio.gather(*(process.stop() for process in processes.values()))


async def one_has_ended(processes: Collection[RoleProcess]) -> None:
    """Wait until one of them is gone by itself. Raises NotStarted, which names it."""
    while True:
        for process in processes:
            if not process.running:
                raise NotStarted(f"{process.name} has ended: {process.last_words}")
        await asyncio.sleep(LOOK_S)
