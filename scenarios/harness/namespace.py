"""A part of real servers for one stack alone: its own databases, and topics under its own prefix.

The names of topics and groups are fixed in the system; on a broker that many stacks share they
get a prefix on their way to the real adapter, and lose it on their way back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
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
from system.kit.ports.log import Log, Message, Partition, Record, Revoked, Subscription
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
                "kafka_session_timeout_s": self.servers.kafka_session_timeout_s,
                "instance": instance,
            }
        )

    @asynccontextmanager
    async def parts(self, settings: KitSettings, *, instance: str) -> AsyncIterator[Parts]:
        """The parts of a process of its own: its pools, its clients."""
        async with stacks.servers(self.within(settings, instance=instance), self.topics) as parts:
            namespaced = replace(
                parts, log=lambda client: NamespacedLog(parts.log(client), self.prefix)
            )

            async def prepare(
                *, tables: bool = True, topics: bool = True, shows: bool = True
            ) -> None:
                await parts.prepare(tables=tables, topics=False, shows=shows)
                if topics:
                    await namespaced.log("setup").ensure(self.topics)

            yield replace(namespaced, prepare=prepare)

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


class NamespacedLog:
    """A client of the log that knows its own topics and groups only."""

    def __init__(self, log: Log, prefix: str) -> None:
        self._log = log
        self._prefix = f"{prefix}."

    async def publish(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        return await self._log.publish(
            [replace(message, topic=self._prefix + message.topic) for message in messages]
        )

    @asynccontextmanager
    async def subscribe(
        self, group: str, topics: Collection[str], revoked: Revoked
    ) -> AsyncIterator[Subscription]:
        async def revoked_here(partitions: frozenset[Partition]) -> None:
            await revoked(frozenset(map(self._in, partitions)))

        async with self._log.subscribe(
            self._prefix + group, self._all_out(topics), revoked_here
        ) as subscription:
            yield _NamespacedSubscription(subscription, self)

    async def read(self, *topics: str, start: int = 0) -> AsyncIterator[Record]:
        async for record in self._log.read(*self._all_out(topics), start=start):
            yield self.record_in(record)

    async def record(self, partition: Partition, offset: int) -> Record | None:
        found = await self._log.record(self.out(partition), offset)
        return None if found is None else self.record_in(found)

    async def committed(self, group: str) -> Mapping[Partition, int]:
        return self.offsets_in(await self._log.committed(self._prefix + group))

    async def ends(self, topics: Collection[str]) -> Mapping[Partition, int]:
        return self.offsets_in(await self._log.ends(self._all_out(topics)))

    async def ensure(self, topics: Collection[str]) -> None:
        await self._log.ensure(self._all_out(topics))

    def _all_out(self, topics: Collection[str]) -> Collection[str]:
        return [self._prefix + topic for topic in topics]

    def out(self, partition: Partition) -> Partition:
        return partition._replace(topic=self._prefix + partition.topic)

    def _in(self, partition: Partition) -> Partition:
        return partition._replace(topic=partition.topic.removeprefix(self._prefix))

    def offsets_in(self, offsets: Mapping[Partition, int]) -> Mapping[Partition, int]:
        return {self._in(partition): offset for partition, offset in offsets.items()}

    def record_in(self, record: Record) -> Record:
        partition = self._in(record.partition)
        message = replace(record.message, topic=partition.topic)
        return replace(record, message=message, partition=partition)


class _NamespacedSubscription:
    def __init__(self, subscription: Subscription, log: NamespacedLog) -> None:
        self._subscription = subscription
        self._log = log

    async def poll(
        self, *, full: Collection[Partition], timeout_s: float
    ) -> Mapping[Partition, Sequence[Record]]:
        found = await self._subscription.poll(
            full=[self._log.out(partition) for partition in full], timeout_s=timeout_s
        )
        here = [[self._log.record_in(record) for record in records] for records in found.values()]
        return {records[0].partition: records for records in here if records}

    async def commit(self, next_offsets: Mapping[Partition, int]) -> None:
        await self._subscription.commit(
            {self._log.out(partition): offset for partition, offset in next_offsets.items()}
        )

    async def seek(self, partition: Partition, offset: int) -> None:
        await self._subscription.seek(self._log.out(partition), offset)

    async def lag(self) -> Mapping[Partition, int]:
        return self._log.offsets_in(await self._subscription.lag())


places = Places()
"""Those of this test run."""
