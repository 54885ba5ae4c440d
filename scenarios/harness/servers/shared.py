"""One set of servers for a whole test run, started when the first test asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from scenarios.harness.servers.common import Server
from scenarios.harness.servers.local import DATABASES, LocalServers
from scenarios.harness.servers.mongo import VIEWS, Mongo
from scenarios.harness.servers.mysql import Sql
from scenarios.harness.servers.together import Servers
from scenarios.harness.servers.toxiproxy import Toxiproxy

S = TypeVar("S", bound=Server)


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
        self._beside: dict[type[Server], Server] = {}
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
        return await self._one_more(DATABASES[name])

    async def views(self, name: str) -> Mongo:
        """The same for the views' server."""
        servers = await self.servers()
        if isinstance(servers.mongo, VIEWS[name]):
            return servers.mongo
        return await self._one_more(VIEWS[name])

    async def _one_more(self, kind: type[S]) -> S:
        async with self._starting:
            if kind not in self._beside:
                server = kind()
                await server.start()
                self._beside[kind] = server
            beside = self._beside[kind]
            assert isinstance(beside, kind)
            return beside

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
