"""Serves an application on a port, for as long as the process lives."""

from __future__ import annotations

import asyncio
import errno
import os
from socket import gaierror

from aiohttp import web

from system.kit.http.connections import Connection, Connections
from system.kit.lifespan import Lifespan
from system.kit.metrics import Metrics
from system.kit.ports.world import World


class CannotListen(Exception):
    """A port cannot be had. The text is one line for the one who started the process."""


def url(host: str, port: int) -> str:
    """Where this machine reaches what listens there."""
    host = _ANY_ADDRESS.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # to bind to, not to ask at


class HttpService:
    """Listens until the process stops; requests in hand then have `grace_s` to finish."""

    def __init__(
        self,
        name: str,
        application: web.Application,
        world: World,
        metrics: Metrics,
        *,
        host: str,
        port: int,
        connections: Connections | None = None,
        grace_s: float = 3.0,
    ) -> None:
        self.name = f"{name}-http"
        """Not the role's own: the consumer beside it has that, and is ready at another time."""
        self._role = name
        self.host = host
        self.port = port
        """Port 0 asks for any; this is then the real one, once the service is ready."""
        self.listening = asyncio.Event()
        self.application = application
        self._world = world
        self._metrics = metrics
        self.connections = connections or Connections()
        self._grace_s = grace_s

    @property
    def url(self) -> str:
        """Where this machine reaches it."""
        return url(self.host, self.port)

    async def run(self, lifespan: Lifespan) -> None:
        """Serve. Raises CannotListen."""
        runner = web.AppRunner(self.application, shutdown_timeout=self._grace_s)
        await runner.setup()
        try:
            listener = await self._listen(runner)
            try:
                self.listening.set()
                lifespan.ready(self.name)
                await lifespan.stopping.wait()
            finally:
                listener.close()
        finally:
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> asyncio.Server:
        manager, loop = runner.server, asyncio.get_running_loop()
        if manager is None:
            raise RuntimeError("the runner was not set up")
        try:
            listener = await loop.create_server(
                lambda: Connection(
                    manager,
                    loop=loop,
                    name=self._role,
                    world=self._world,
                    metrics=self._metrics,
                    connections=self.connections,
                ),
                self.host,
                self.port,
            )
        except OSError as error:
            raise CannotListen(self._why(error)) from error
        self.port = listener.sockets[0].getsockname()[1]
        return listener

    def _why(self, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            return f"{self._role}: port {self.port} on {self.host} is taken"
        # asyncio puts words of its own around the system's
        known = error.errno if not isinstance(error, gaierror) else None
        reason = os.strerror(known) if known else error.strerror
        return f"{self._role}: cannot listen on {self.host}, port {self.port}: {reason}"
