"""All of it: the local servers, and every role as a process of its own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from chaos.kit.servers.lines import Ends, Lines
from chaos.real.lines import HOW, Line
from chaos.real.nemesis import Pausable, Target
from chaos.real.processes import SYSTEM, Role
from scenarios.harness.servers import LocalServers, line_name
from system.roles import ROLES

READY_S = 180.0
BROKERS = "brokers"
"""The client of a broker that the other brokers are: they copy what it leads."""


class NotReady(Exception):
    """The system did not get ready on whole servers. One line that names who is missing."""


class SystemUnderTest:
    """Servers and roles, started together and stopped together; logs lie in the folder."""

    def __init__(
        self,
        folder: Path,
        *,
        consumers: int = 1,
        database: str = "mysql",
        late_s: float = 0.0,
        proxied: bool = False,
        program: Sequence[str] = SYSTEM,
        settings: Mapping[str, str] | None = None,
        brokers: int = 1,
    ) -> None:
        """With `late_s` the roles start first, and the servers so much later.

        `proxied` leads each role over lines of its own, through Toxiproxy, so that they can be cut.
        `program` is run by Python for each role, with these `settings` beside those of the servers.
        """
        clients = [spec.name for spec in ROLES] if proxied else []
        self.servers = LocalServers(database=database, clients=clients, brokers=brokers)
        self._stores = [*(broker.name for broker in self.servers.brokers), "sql", "mongo"]
        lines = {
            Ends(client, server): line_name(server, client)
            for client in clients
            for server in self._stores
        }
        if brokers > 1:
            lines |= {Ends(BROKERS, one.name): line_name(one.name) for one in self.servers.brokers}
        self.lines = Lines(self.servers.toxiproxy, lines)
        self.roles: dict[str, Role] = {}
        self.folder = folder
        self.ready_after_s = 0.0
        """From the start of the roles, or of the last server, until all roles were ready."""
        self._consumers = consumers
        self._late_s = late_s
        self._proxied = proxied
        self._program = program
        self._settings = settings or {}
        self._session: aiohttp.ClientSession | None = None

    @property
    def targets(self) -> dict[str, Target]:
        """Who can be hit. Toxiproxy is nobody's server, so nobody misses it."""
        servers = (*self.servers.brokers, self.servers.sql, self.servers.mongo)
        return {**self.roles, **{server.name: server for server in servers}}

    @property
    def pausable_lines(self) -> dict[str, Pausable]:
        """The lines to each server, with every way to spoil them."""
        return {
            f"{name} {how}": Line(self.lines, name, how) for name in self._stores for how in HOW
        }

    def where(self, role: str) -> str:
        return self.roles[role].url

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        try:
            if self._late_s:
                await self._start_roles()
                await asyncio.sleep(self._late_s)
                await self.servers.start()
            else:
                await self.servers.start()
                await self._start_roles()
            await self._until_ready()
        except BaseException:
            await self._end()
            raise
        return self

    async def _start_roles(self) -> None:
        """Start all roles at the same moment."""
        for spec in ROLES:
            count = self._consumers if spec.name.endswith("-consumer") else 1
            for instance in range(1, count + 1):
                self.add(spec.name, instance)
        await asyncio.gather(*(role.start() for role in self.roles.values()))

    def add(self, name: str, instance: int) -> Role:
        """One more process of a role. It does not run yet; all of a role share its lines."""
        client = name if self._proxied else ""
        environment = self.servers.environment(proxied=self._proxied, client=client)
        environment = {**environment, **self._settings}
        role = Role(name, instance, environment, self.folder, program=self._program)
        self.roles[role.name] = role
        return role

    async def _until_ready(self) -> None:
        """Raises NotReady."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        while waited_for := await self.not_ready():
            self.raise_if_fallen()
            if loop.time() - began_s > READY_S:
                raise NotReady(f"not ready after {READY_S:g} s: {', '.join(waited_for)}")
            await asyncio.sleep(0.1)
        self.ready_after_s = loop.time() - began_s

    async def not_ready(self) -> list[str]:
        """The roles that are not ready for work."""
        return await self._without(Role.is_ready)

    async def not_alive(self) -> list[str]:
        """The roles that do not answer at all: one that was killed has to start first."""
        return await self._without(Role.is_alive)

    async def _without(
        self, is_well: Callable[[Role, aiohttp.ClientSession], Awaitable[bool]]
    ) -> list[str]:
        assert self._session is not None, "entered before it is used"
        session = self._session
        well = await asyncio.gather(*(is_well(role, session) for role in self.roles.values()))
        return [name for name, is_so in zip(self.roles, well, strict=True) if not is_so]

    def raise_if_fallen(self) -> None:
        """Raises NotReady when a role has ended by itself."""
        for role in self.roles.values():
            role.note_fall()
            if role.failures:
                raise NotReady(role.failures[0])

    async def stop_roles(self) -> list[str]:
        """Ask all roles to stop; how each has broken its promise to run, and to end."""
        await asyncio.gather(*(role.stop() for role in self.roles.values()))
        return [failure for role in self.roles.values() for failure in role.failures]

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end()

    async def _end(self) -> None:
        try:
            await asyncio.gather(*(role.kill() for role in self.roles.values()))
            if self._session is not None:
                await self._session.close()
            for server in self.servers.all:
                if server.folder is not None:
                    log = self.folder / f"{server.name}.log"
                    shutil.copyfile(server.folder / "server.log", log)
        finally:
            await self.servers.stop()
