"""A part of real servers for one stack alone: its own databases, and topics under its own prefix."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aiomysql
from aiokafka.admin import AIOKafkaAdminClient
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from system.kit import stacks
from system.kit.parts import Parts
from system.kit.settings import KitSettings
from system.table import SHOP

S = TypeVar("S", bound=KitSettings)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one stack's data lie."""

    servers: KitSettings
    """The servers, and the databases that are there already."""
    prefix: str
    topics: Sequence[str]
    """All that the system has, with those of dead letters."""

    @property
    def database(self) -> str:
        return f"{self.servers.mysql_url().database}_{self.prefix}"

    @property
    def views(self) -> str:
        return f"ecommerce_{self.prefix}"

    def within(self, settings: S, *, instance: str) -> S:
        """These settings, for a process that works here."""
        return settings.model_copy(
            update={
                "mysql_dsn": SecretStr(
                    self.servers.mysql_url()
                    .set(database=self.database)
                    .render_as_string(hide_password=False)
                ),
                "mongo_uri": SecretStr(
                    _with_database(self.servers.mongo_uri.get_secret_value(), self.views)
                ),
                "kafka_brokers": self.servers.kafka_brokers,
                "kafka_replication": self.servers.kafka_replication,
                "kafka_prefix": f"{self.prefix}.",
                "kafka_session_timeout_s": self.servers.kafka_session_timeout_s,
                "instance": instance,
            }
        )

    @asynccontextmanager
    async def parts(self, settings: KitSettings, *, instance: str) -> AsyncIterator[Parts]:
        """The parts of a process of its own: its pools, its clients."""
        async with stacks.servers(self.within(settings, instance=instance), self.topics) as parts:
            yield parts

    async def make(self) -> None:
        await self._run(f"CREATE DATABASE `{self.database}`")

    async def drop(self) -> None:
        await self._run(f"DROP DATABASE `{self.database}`")
        views: AsyncMongoClient[Any] = AsyncMongoClient(self.servers.mongo_uri.get_secret_value())
        async with views:
            await views.drop_database(self.views)
        admin = AIOKafkaAdminClient(bootstrap_servers=list(self.servers.kafka_brokers))
        try:
            await admin.start()
            await admin.delete_topics([f"{self.prefix}.{topic}" for topic in self.topics])
        finally:
            await admin.close()

    async def _run(self, statement: str) -> None:
        url = self.servers.mysql_url()
        connection = await aiomysql.connect(
            host=url.host, port=url.port, user=url.username, password=str(url.password or "")
        )
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(statement)
        finally:
            connection.close()


class Places:
    """The places of a test run. One with a data directory is found again, and kept to the end."""

    def __init__(self) -> None:
        self._kept: dict[Path, Place] = {}

    @asynccontextmanager
    async def place(
        self,
        servers: KitSettings,
        data: Path | None,
        topics: Sequence[str] = tuple(SHOP.all_topics),
    ) -> AsyncIterator[Place]:
        if data is not None and data in self._kept:
            yield self._kept[data]
            return
        place = Place(servers, uuid4().hex[:12], topics)
        await place.make()
        if data is not None:
            self._kept[data] = place
        try:
            yield place
        finally:
            if data is None:
                await place.drop()

    async def drop(self) -> None:
        """Drop what was kept."""
        for place in self._kept.values():
            await place.drop()
        self._kept.clear()


def _with_database(uri: str, database: str) -> str:
    """The same servers and login; a login is looked up where it was before."""
    parts = urlsplit(uri)
    query = parts.query
    if "@" in parts.netloc and "authSource=" not in query and len(parts.path) > 1:
        query = "&".join(filter(None, (query, f"authSource={parts.path[1:]}")))
    return urlunsplit(parts._replace(path=f"/{database}", query=query))


places = Places()
"""Those of this test run."""
