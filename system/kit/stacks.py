"""Stacks: which real parts a process has. The one place that chooses adapters."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from system.kit import logs
from system.kit.delivery.patience import Outage
from system.kit.errors import Conflict, Unavailable
from system.kit.events import PARTITIONS
from system.kit.parts import Commits, Parts
from system.kit.settings import KitSettings


class StackError(Exception):
    """A stack cannot be had; the text is one line that says what to do."""


SERVERS_HINT = (
    "docker compose up starts the servers, python -m scenarios.harness.servers does so without "
    "Docker; --stack embedded needs none"
)
"""What a role says that finds no servers when it starts: once, and then it waits without a word."""


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
                await EmbeddedLog(broker, "setup").ensure(all_topics)
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
                views=EmbeddedViewStore(),
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
    from system.kit.adapters.kafka.group import GroupRules
    from system.kit.adapters.kafka.log import KafkaLog, UnfitTopic
    from system.kit.adapters.mongo.views import MongoViewStore, UnfitViews
    from system.kit.adapters.sql.work import SqlWork, UnfitDatabase, create_tables, mysql_engine
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
    views = MongoViewStore(settings.mongo_uri.get_secret_value(), member=instance)
    logs_of: dict[str, KafkaLog] = {}

    def log_of(role: str) -> KafkaLog:
        if role not in logs_of:
            logs_of[role] = KafkaLog(
                settings.kafka_brokers,
                f"{role}-{instance}",
                partitions=PARTITIONS,
                replication=settings.kafka_replication,
                rules=GroupRules(session_s=settings.kafka_session_timeout_s),
            )
        return logs_of[role]

    without_views = Outage(logs.logger("start"), "the views are away", hint=SERVERS_HINT)

    async def let_in() -> None:
        try:
            await views.ping()
        except UnfitViews:
            raise
        except Unavailable as away:
            # a role of the query side starts, and is not ready, while its views are away
            without_views.goes_on(away)

    async def prepare(*, tables: bool = True, topics: bool = True, shows: bool = True) -> None:
        try:
            if tables:
                await create_tables(engine)
            if shows:
                await let_in()
            if topics:
                await log_of("setup").ensure(all_topics)
        except UnfitDatabase as unfit:
            place = f"{engine.url.host}:{engine.url.port}"
            raise StackError(f"cannot use the database at {place}: {unfit}") from unfit
        except UnfitViews as unfit:
            raise StackError(f"cannot use the views at MONGO_URI: {unfit}") from unfit
        except UnfitTopic as unfit:
            raise StackError(str(unfit)) from unfit

    try:
        async with bell.connected():
            yield Parts(
                work=work,
                probe=work.probe,
                writable=work.writable,
                log=log_of,
                views=views,
                world=world,
                commits=commits,
                connections_in_use=work.connections_in_use,
                prepare=prepare,
            )
    finally:
        await asyncio.gather(
            engine.dispose(), views.close(), *(log.close() for log in logs_of.values())
        )
