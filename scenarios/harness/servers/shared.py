"""One set of local servers for a whole test run, started when the first test asks for it."""

from __future__ import annotations

import asyncio

from scenarios.harness.servers.local import LocalServers


class Shared:
    """Holds the run's servers."""

    def __init__(self) -> None:
        self._database = "mysql"
        self._servers: LocalServers | None = None
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

    async def stop(self) -> None:
        if self._servers is not None:
            await self._servers.stop()
            self._servers = None


shared = Shared()
