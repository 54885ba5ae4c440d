"""All local servers together."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from scenarios.harness.servers.common import Server, free_port
from scenarios.harness.servers.kafka import Kafka
from scenarios.harness.servers.mongo import Mongo
from scenarios.harness.servers.mysql import MariaDB, MySQL, Sql
from scenarios.harness.servers.toxiproxy import Toxiproxy

DATABASES: dict[str, type[Sql]] = {"mysql": MySQL, "mariadb": MariaDB}


class LocalServers:
    """Kafka, MySQL or MariaDB, and MongoDB or its stand-in, each also behind Toxiproxy."""

    def __init__(self, *, database: str = "mysql") -> None:
        proxied_port = free_port()
        self.kafka = Kafka(proxied_port=proxied_port)
        self.sql = DATABASES[database]()
        self.mongo = Mongo()
        self.toxiproxy = Toxiproxy()
        self._proxied = {"kafka": f"127.0.0.1:{proxied_port}"}

    @property
    def all(self) -> tuple[Server, ...]:
        return (self.kafka, self.sql, self.mongo, self.toxiproxy)

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
        _, port = self._proxied["kafka"].split(":")
        await self.toxiproxy.proxy("kafka", self.kafka.behind_proxy, port=int(port))
        for name, server in (("sql", self.sql), ("mongo", self.mongo)):
            self._proxied[name] = await self.toxiproxy.proxy(name, server.address)

    async def stop(self) -> None:
        """Stop all and delete their folders, also if one of them makes trouble."""
        await asyncio.gather(*(server.stop() for server in self.all), return_exceptions=True)

    def environment(self, *, proxied: bool = False) -> dict[str, str]:
        """What the system reads to find them; `proxied` leads through Toxiproxy."""
        if proxied:
            return self._named(**self._proxied)
        return self._named(kafka=self.kafka.address, sql=self.sql.address, mongo=self.mongo.address)

    def _named(self, *, kafka: str, sql: str, mongo: str) -> dict[str, str]:
        return {
            "MYSQL_DSN": self.sql.dsn(sql),
            "KAFKA_BROKERS": kafka,
            "MONGO_URI": self.mongo.uri_at(mongo),
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
