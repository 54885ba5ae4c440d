"""Stacks: which real parts a process has. The one place that chooses adapters."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from system.kit import logs
from system.kit.delivery.patience import Outage
from system.kit.errors import Conflict, Unavailable
from system.kit.events import PARTITIONS
from system.kit.parts import Commits, Parts
from system.kit.settings import KitSettings

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

    from system.kit.adapters.kafka.log import KafkaLog
    from system.kit.adapters.mongo.views import MongoViewStore
    from system.kit.ports.log import Log


class StackError(Exception):
    """A stack cannot be had; the text is one line that says what to do."""


SERVERS_HINT = (
    "docker compose up starts the servers, python -m scenarios.harness.servers does so without "
    "Docker; --stack embedded needs none"
)
"""What a role says that finds no servers when it starts: once, and then it waits without a word."""
SETUP = "setup"
"""The log's client that makes topics."""


@asynccontextmanager
async def embedded(
    settings: KitSettings, all_topics: Collection[str], directory: Path | None = None
) -> AsyncIterator[Parts]:
    """SQLite, the embedded log and views. Without a directory nothing is kept.

    Raises StackError where the directory cannot be used.
    """
    from system.kit.adapters.embedded.journal import DataDirectoryError
    from system.kit.adapters.embedded.log import EmbeddedBroker, EmbeddedLog
    from system.kit.adapters.embedded.views import EmbeddedViewStore
    from system.kit.adapters.sql.work import SqlWork, create_tables, sqlite_engine
    from system.kit.adapters.world_real import RealWorld

    world, commits = RealWorld(), Commits()
    with tempfile.TemporaryDirectory(prefix="event-driven-kit-") as scratch:
        try:
            broker = EmbeddedBroker(
                partitions=PARTITIONS,
                now_ms=lambda: int(world.now().timestamp() * 1000),
                directory=directory,
            )
        except DataDirectoryError as error:
            raise StackError(str(error)) from error
        engine = sqlite_engine(
            (directory or Path(scratch)) / "write-model.sqlite",
            durable=directory is not None,
            pool_size=settings.sql_pool_size,
        )
        try:
            try:
                await create_tables(engine)
                await EmbeddedLog(broker, SETUP).ensure(all_topics)
            except (Conflict, Unavailable) as error:
                raise StackError(f"cannot use {directory or scratch}: {error}") from error
            work = SqlWork(
                engine, world, timeout_s=settings.sql_timeout_s, committed=commits.notify
            )
            yield Parts(
                work=work,
                probe=work.probe,
                writable=work.writable,
                log=lambda role: EmbeddedLog(broker, role),
                view_store=cache(EmbeddedViewStore),
                world=world,
                commits=commits,
                connections_in_use=work.connections_in_use,
            )
        finally:
            await engine.dispose()
            await broker.close()


@asynccontextmanager
async def servers(settings: KitSettings, all_topics: Collection[str]) -> AsyncIterator[Parts]:
    """MySQL, Kafka and MongoDB, at the addresses of the settings.

    `all_topics` are made when they are prepared: with those of dead letters.
    """
    from system.kit.adapters.bell import Bell
    from system.kit.adapters.sql.work import SqlWork, mysql_engine
    from system.kit.adapters.world_real import RealWorld

    # it tells an outage in hundreds of lines; the adapter tells it in one, in our own words
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    world, commits = RealWorld(), Commits()
    instance = settings.instance or str(world.new_id())[:8]
    connect = partial(mysql_engine, settings.mysql_url(), timeout_s=settings.sql_timeout_s)
    engine = connect(pool_size=settings.sql_pool_size)
    bell = Bell(str(engine.url.database), str(world.new_id()), commits.notify)
    work = SqlWork(
        engine,
        world,
        timeout_s=settings.sql_timeout_s,
        committed=bell.ring,
        unpooled=connect(pool_size=None),
    )
    clients = _Clients(settings, instance)
    unprepared = _Unprepared(engine, clients, all_topics)
    try:
        async with bell.connected():
            yield Parts(
                work=work,
                probe=work.probe,
                writable=work.writable,
                log=clients.log,
                view_store=clients.view_store,
                world=world,
                commits=commits,
                connections_in_use=work.connections_in_use,
                prepare=unprepared.prepare,
            )
    finally:
        await asyncio.gather(engine.dispose(), clients.close())


class _Clients:
    """Of the log and of the views. A role that asks for none loads no driver."""

    def __init__(self, settings: KitSettings, instance: str) -> None:
        self._settings = settings
        self._instance = instance
        self._logs: dict[str, KafkaLog] = {}
        self._views: MongoViewStore | None = None

    def log(self, role: str) -> Log:
        from system.kit.adapters.kafka.group import GroupRules
        from system.kit.adapters.kafka.log import KafkaLog
        from system.kit.adapters.kafka.prefixed import PrefixedLog

        if role not in self._logs:
            self._logs[role] = KafkaLog(
                self._settings.kafka_brokers,
                f"{role}-{self._instance}",
                partitions=PARTITIONS,
                replication=self._settings.kafka_replication,
                rules=GroupRules(session_s=self._settings.kafka_session_timeout_s),
            )
        prefix = self._settings.kafka_prefix
        return PrefixedLog(self._logs[role], prefix) if prefix else self._logs[role]

    def view_store(self) -> MongoViewStore:
        from system.kit.adapters.mongo.views import MongoViewStore

        if self._views is None:
            uri = self._settings.mongo_uri.get_secret_value()
            self._views = MongoViewStore(uri, member=self._instance)
        return self._views

    async def close(self) -> None:
        opened = [*self._logs.values(), *([self._views] if self._views else ())]
        await asyncio.gather(*(client.close() for client in opened))


class _Unprepared:
    """Servers that may lack tables and topics, or may not be fit."""

    def __init__(self, engine: AsyncEngine, clients: _Clients, all_topics: Collection[str]) -> None:
        self._engine = engine
        self._clients = clients
        self._all_topics = all_topics
        self._without_views = Outage(logs.logger("start"), "the views are away", hint=SERVERS_HINT)

    async def prepare(
        self, *, tables: bool = True, topics: bool = True, shows: bool = True
    ) -> None:
        if shows:
            self._clients.view_store()  # a driver that is missing is told of at once,
        if topics:
            self._clients.log(SETUP)  # also where a server before it is waited for
        if tables:
            await self._make_tables()
        if shows:
            await self._let_in()
        if topics:
            await self._make_topics()

    async def _make_tables(self) -> None:
        from system.kit.adapters.sql.work import UnfitDatabase, create_tables

        try:
            await create_tables(self._engine)
        except UnfitDatabase as unfit:
            place = f"{self._engine.url.host}:{self._engine.url.port}"
            raise StackError(f"cannot use the database at {place}: {unfit}") from unfit

    async def _let_in(self) -> None:
        from system.kit.adapters.mongo.views import UnfitViews

        try:
            await self._clients.view_store().ping()
        except UnfitViews as unfit:
            raise StackError(f"cannot use the views at MONGO_URI: {unfit}") from unfit
        except Unavailable as away:
            # a role of the query side starts, and is not ready, while its views are away
            self._without_views.goes_on(away)

    async def _make_topics(self) -> None:
        from system.kit.adapters.kafka.log import UnfitTopic

        try:
            await self._clients.log(SETUP).ensure(self._all_topics)
        except UnfitTopic as unfit:
            raise StackError(str(unfit)) from unfit
