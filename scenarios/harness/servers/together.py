"""All servers of a stack together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from scenarios.harness.servers.common import Server
from scenarios.harness.servers.kafka import Kafka
from scenarios.harness.servers.mongo import DATABASE as VIEWS_DATABASE
from scenarios.harness.servers.mongo import Mongo
from scenarios.harness.servers.mysql import Sql
from scenarios.harness.servers.toxiproxy import Toxiproxy


def line_name(server: str, client: str = "") -> str:
    """What the proxy on the line of a client to a server is called: `sql`, `sql.order-api`."""
    return f"{server}.{client}" if client else server


class Servers:
    """Kafka, a database and the views' server, each also behind Toxiproxy."""

    def __init__(
        self, brokers: Sequence[Kafka], sql: Sql, mongo: Mongo, toxiproxy: Toxiproxy
    ) -> None:
        self.brokers = tuple(brokers)
        self.kafka = self.brokers[0]
        self.sql = sql
        self.mongo = mongo
        self.toxiproxy = toxiproxy
        self._proxied: dict[str, dict[str, str]] = {}
        """For each client that has lines of its own, where the proxy before each server listens.

        The lines of "" are for everybody.
        """

    @property
    def all(self) -> tuple[Server, ...]:
        return (*self.brokers, self.sql, self.mongo, self.toxiproxy)

    async def fetch(self) -> None:
        """Get the programs, once. Raises an ExceptionGroup of Missing."""
        async with asyncio.TaskGroup() as tasks:
            for server in self.all:
                tasks.create_task(server.fetch())

    async def start(self) -> None:
        """Start all at once. If one fails, none is left. Raises an ExceptionGroup."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for server in self.all:
                    tasks.create_task(server.start())
            await self._stand_before()
        except BaseException:  # also Ctrl-C: leave no process and no folder behind
            await self.stop()
            raise

    async def _stand_before(self) -> None:
        """Let Toxiproxy stand before the others, where it does not from its start."""

    async def stop(self) -> None:
        """Stop all and delete their folders, also if one of them makes trouble."""
        await asyncio.gather(*(server.stop() for server in self.all), return_exceptions=True)

    def environment(
        self, *, proxied: bool = False, client: str = "", views: str = VIEWS_DATABASE
    ) -> dict[str, str]:
        """What the system reads to find them; `proxied` leads through Toxiproxy.

        A client that has lines of its own is led over these.
        """
        direct = {
            **{broker.name: broker.address for broker in self.brokers},
            "sql": self.sql.address,
            "mongo": self.mongo.address,
        }
        at = self._proxied[client] if proxied else direct
        return {
            "MYSQL_DSN": self.sql.dsn(at["sql"]),
            "KAFKA_BROKERS": ",".join(at[broker.name] for broker in self.brokers),
            "KAFKA_REPLICATION": str(len(self.brokers)),
            "MONGO_URI": self.mongo.uri_at(at["mongo"], views),
            "KAFKA_SESSION_TIMEOUT": "3s",
        }

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()
