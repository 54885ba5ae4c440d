"""One set of servers for a whole test run, started when the first test asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from scenarios.harness.servers.local import DATABASES, LocalServers
from scenarios.harness.servers.mysql import Sql
from scenarios.harness.servers.together import Servers
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
        self._make: Callable[[], Servers] = LocalServers
        self._servers: Servers | None = None
        self._beside: dict[str, Sql] = {}
        self._proxied: dict[str, ProxiedSql] = {}
        self._failure: BaseException | None = None
        self._starting = asyncio.Lock()

    def choose(self, make: Callable[[], Servers]) -> None:
        self._make = make

    async def servers(self) -> Servers:
        """Start them, once; a failure is not tried again for each test."""
        async with self._starting:
            if self._failure is not None:
                raise self._failure
            if self._servers is None:
                servers = self._make()
                try:
                    await servers.start()
                except Exception as failure:
                    self._failure = failure
                    raise
                self._servers = servers
            return self._servers

    async def sql(self, name: str) -> Sql:
        """The run's own database server if it is of this kind, or else one more beside it."""
        servers = await self.servers()
        if servers.sql.name == name:
            return servers.sql
        async with self._starting:
            if name not in self._beside:
                server = DATABASES[name]()
                await server.start()
                self._beside[name] = server
            return self._beside[name]

    async def database(self, name: str) -> ProxiedSql:
        """The same, behind a proxy of its own."""
        server = await self.sql(name)
        toxiproxy = (await self.servers()).toxiproxy
        async with self._starting:
            if name not in self._proxied:
                address = await toxiproxy.proxy(name, server.address)
                self._proxied[name] = ProxiedSql(server, toxiproxy, name, address)
            return self._proxied[name]

    async def stop(self) -> None:
        for server in self._beside.values():
            await server.stop()
        self._beside.clear()
        self._proxied.clear()
        if self._servers is not None:
            await self._servers.stop()
            self._servers = None


shared = Shared()
