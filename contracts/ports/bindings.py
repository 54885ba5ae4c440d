"""Which adapters each suite is bound to, and the differences that they declare.

To bind one more: write a factory that opens a bench, and add one entry. A factory whose server
is not there skips, with the reason. What an adapter cannot do is declared, never worked around.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncEngine

from scenarios.harness.choice import STARTED
from scenarios.harness.servers import shared
from system.kit.adapters.embedded.log import EmbeddedBroker, EmbeddedLog
from system.kit.adapters.embedded.views import EmbeddedViewStore
from system.kit.adapters.kafka.prefixed import PrefixedLog
from system.kit.adapters.sql.work import SqlWork, create_tables, mysql_engine, sqlite_engine
from system.kit.adapters.world_real import RealWorld
from system.kit.ports.log import Log
from system.kit.ports.views import ViewStore
from system.kit.settings import mysql_url


@dataclass(frozen=True, slots=True)
class LogBench:
    """A log that one test may use."""

    client: Callable[[str], Awaitable[Log]]
    """A client with this id, as if in a process of its own. The bench closes it."""
    name: Callable[[str], str]
    """A name for a topic or group that nobody used before."""


@dataclass(frozen=True, slots=True)
class LogBinding:
    """An adapter of the log, with its declared differences."""

    name: str
    open: Callable[[], AbstractAsyncContextManager[LogBench]]
    deadline_s: float = 5.0
    """How long a test waits for a cause. A right adapter is done long before."""
    leaves_at_once: bool = True
    """Whether leaving a group gives the partitions away at once, or when the session ends."""
    stacks: Sequence[str] = ("embedded",)
    """Of a test run: `pytest --stack local`."""


@dataclass(frozen=True, slots=True)
class ViewsBinding:
    """An adapter of the view store, with its declared differences. Each store opened is empty."""

    name: str
    open: Callable[[], AbstractAsyncContextManager[ViewStore]]
    deadline_s: float = 5.0
    """How long a test waits for a cause. A right adapter is done long before."""
    every_nth_order: int = 1
    """Of the 5,040 orders of the same puts, which are tried: all, where a put takes no time."""
    stacks: Sequence[str] = ("embedded",)
    """Of a test run: `pytest --stack local`."""


def untold(_: Collection[str]) -> None:
    """For a test that does not look at whose events were committed."""


class OpenWork(Protocol):
    def __call__(
        self,
        *,
        timeout_s: float = 5.0,
        pool_size: int = 5,
        committed: Callable[[Collection[str]], None] = untold,
    ) -> SqlWork:
        """The write model of one more process; the bench closes it.

        Where the database has only one process, asked for nothing special, it is always the same.
        """
        ...


@dataclass(frozen=True, slots=True)
class WorkBench:
    """A database with the system's tables and nothing in them, which one test may use."""

    process: OpenWork


@dataclass(frozen=True, slots=True)
class WorkBinding:
    """An adapter of the write model, with its declared differences."""

    name: str
    open: Callable[[], AbstractAsyncContextManager[WorkBench]]
    locks_rows: bool = True
    """Whether a lock is one row's. Else the first to write or lock holds all others up."""
    checks_lengths: bool = True
    """Whether a text longer than its column is refused. Else it is stored whole."""
    trailing_blanks_count: bool = False
    """Whether `a` and `a ` differ. Of what the system compares, nothing ends with a blank."""
    stacks: Sequence[str] = ("embedded",)
    """Of a test run: `pytest --stack local`."""


@asynccontextmanager
async def embedded_log() -> AsyncIterator[LogBench]:
    broker = EmbeddedBroker(now_ms=lambda: 1_767_225_600_000)
    numbers = count(1)

    async def client(client_id: str) -> Log:
        return EmbeddedLog(broker, client_id)

    yield LogBench(client, lambda prefix: f"{prefix}-{next(numbers)}")
    await broker.close()


@asynccontextmanager
async def prefixed_log() -> AsyncIterator[LogBench]:
    """Clients with a prefix, beside which others have names that begin alike."""
    async with embedded_log() as bench:

        async def client(client_id: str) -> Log:
            return PrefixedLog(await bench.client(client_id), "staging.")

        yield LogBench(client, bench.name)


@asynccontextmanager
async def embedded_views() -> AsyncIterator[ViewStore]:
    yield EmbeddedViewStore()


@asynccontextmanager
async def kafka_log() -> AsyncIterator[LogBench]:
    from system.kit.adapters.kafka.group import GroupRules  # noqa: PLC0415
    from system.kit.adapters.kafka.log import KafkaLog  # noqa: PLC0415

    servers = await shared.servers()
    rules = GroupRules(session_s=3.0)  # so that who leaves is missed sooner
    clients: list[KafkaLog] = []

    async def client(client_id: str) -> Log:
        clients.append(KafkaLog([servers.kafka.address], client_id, rules=rules))
        return clients[-1]

    yield LogBench(client, lambda prefix: f"{prefix}-{uuid4().hex[:12]}")
    for opened in clients:
        await opened.close()


LOGS = (
    LogBinding("embedded", embedded_log),
    LogBinding("prefixed", prefixed_log),
    LogBinding("kafka", kafka_log, deadline_s=20.0, leaves_at_once=False, stacks=STARTED),
)


@asynccontextmanager
async def mongo_views(kind: str | None = None) -> AsyncIterator[ViewStore]:
    from system.kit.adapters.mongo.views import MongoViewStore  # noqa: PLC0415

    mongo = await shared.views(kind) if kind else (await shared.servers()).mongo
    store = MongoViewStore(mongo.uri_at(mongo.address, f"views-{uuid4().hex[:12]}"))
    yield store
    await store.drop()
    await store.close()


VIEWS = (
    ViewsBinding("embedded", embedded_views),
    ViewsBinding("mongo", mongo_views, deadline_s=10.0, every_nth_order=97, stacks=STARTED),
    ViewsBinding(
        "mongo_java",
        partial(mongo_views, "java"),
        deadline_s=10.0,
        every_nth_order=97,
        stacks=("local",),
    ),
)


@asynccontextmanager
async def work_bench(
    make_engine: Callable[[int], AsyncEngine], *, one_process: bool = False
) -> AsyncIterator[WorkBench]:
    """A bench on an empty database: makes the tables, and the engines that are asked for."""
    engines: list[AsyncEngine] = []

    def process(
        *,
        timeout_s: float = 5.0,
        pool_size: int = 5,
        committed: Callable[[Collection[str]], None] = untold,
    ) -> SqlWork:
        engines.append(make_engine(pool_size))
        return SqlWork(engines[-1], RealWorld(), timeout_s=timeout_s, committed=committed)

    first = process()

    def same_process(**special: Any) -> SqlWork:  # as `OpenWork` says
        return process(**special) if special else first

    await create_tables(first.engine)
    try:
        yield WorkBench(same_process if one_process else process)
    finally:
        for engine in engines:
            await engine.dispose()


@asynccontextmanager
async def sqlite_work() -> AsyncIterator[WorkBench]:
    with tempfile.TemporaryDirectory() as folder:

        def make_engine(pool_size: int) -> AsyncEngine:
            return sqlite_engine(Path(folder) / "file.sqlite", durable=False, pool_size=pool_size)

        async with work_bench(make_engine, one_process=True) as bench:
            yield bench


@asynccontextmanager
async def server_work(database: str) -> AsyncIterator[WorkBench]:
    server = await shared.sql(database)
    async with server.scratch() as name:
        url = mysql_url(server.dsn(database=name))
        async with work_bench(lambda pool_size: mysql_engine(url, pool_size=pool_size)) as bench:
            yield bench


WORKS = (
    WorkBinding(
        "sqlite",
        sqlite_work,
        locks_rows=False,
        checks_lengths=False,
        trailing_blanks_count=True,
    ),
    WorkBinding("mysql", partial(server_work, "mysql"), stacks=STARTED),
    WorkBinding("mariadb", partial(server_work, "mariadb"), stacks=("local",)),
)
