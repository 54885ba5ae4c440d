"""One set of local servers for a whole test run, started when the first test asks for it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from scenarios.harness.servers.local import DATABASES, LocalServers
from scenarios.harness.servers.mysql import Sql
from scenarios.harness.servers.toxiproxy import Toxiproxy


@dataclass(frozen=True, slots=True)
class ProxiedSql:
    """A database server with a proxy of its own before it."""

    server: Sql
    toxiproxy: Toxiproxy
    proxy: str
    """The proxy's name."""
    address: str
    """Where the proxy listens."""


class Shared:
    """Holds the run's servers."""

    def __init__(self) -> None:
        self._database = "mysql"
        self._servers: LocalServers | None = None
        self._databases: dict[str, ProxiedSql] = {}
        self._failure: BaseException | None = None
        self._starting = asyncio.Lock()

    def choose(self, *, database: str) -> None:
        self._database = database

    async def servers(self) -> LocalServers:
        """Start them, once; a failure is not tried again for each test."""
        async with self._starting:
            if self._failure is not None:
                raise self._failure
            if self._servers is None:
                servers = LocalServers(database=self._database)
                try:
                    await servers.start()
                except Exception as failure:
                    self._failure = failure
                    raise
                self._servers = servers
            return self._servers

    async def database(self, name: str) -> ProxiedSql:
        """The run's own database server if it is of this kind, or else one more beside it."""
        servers = await self.servers()
        async with self._starting:
            if name not in self._databases:
                server = servers.sql if name == self._database else DATABASES[name]()
                await server.start()
                address = await servers.toxiproxy.proxy(name, server.address)
                self._databases[name] = ProxiedSql(server, servers.toxiproxy, name, address)
            return self._databases[name]

    async def stop(self) -> None:
        for database in self._databases.values():
            await database.server.stop()
        self._databases.clear()
        if self._servers is not None:
            await self._servers.stop()
            self._servers = None


shared = Shared()
