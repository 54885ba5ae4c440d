"""Which adapters each suite is bound to, and the differences that they declare.

To bind one more: write a factory that opens a bench, and add one entry. A factory whose server
is not there skips, with the reason. What an adapter cannot do is declared, never worked around.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from itertools import count
from uuid import uuid4

from scenarios.harness.servers import shared
from system.adapters.log_embedded import EmbeddedBroker, EmbeddedLog
from system.adapters.views_embedded import EmbeddedViewStore
from system.ports.log import Log
from system.ports.views import ViewStore


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
    stack: str = "embedded"
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
    stack: str = "embedded"
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
async def embedded_views() -> AsyncIterator[ViewStore]:
    yield EmbeddedViewStore()


@asynccontextmanager
async def kafka_log() -> AsyncIterator[LogBench]:
    from system.adapters.log_kafka import KafkaLog  # noqa: PLC0415

    servers = await shared.servers()
    clients: list[KafkaLog] = []

    async def client(client_id: str) -> Log:
        clients.append(KafkaLog([servers.kafka.address], client_id))
        return clients[-1]

    yield LogBench(client, lambda prefix: f"{prefix}-{uuid4().hex[:12]}")
    for opened in clients:
        await opened.close()


LOGS = (
    LogBinding("embedded", embedded_log),
    LogBinding("kafka", kafka_log, deadline_s=20.0, leaves_at_once=False, stack="local"),
)


@asynccontextmanager
async def mongo_views() -> AsyncIterator[ViewStore]:
    from scenarios.harness.servers import shared  # noqa: PLC0415 (drivers, for this stack only)
    from system.adapters.views_mongo import MongoViewStore  # noqa: PLC0415

    servers = await shared.servers()
    store = MongoViewStore(f"mongodb://{servers.mongo.address}/views-{uuid4().hex[:12]}")
    yield store
    await store.drop()
    await store.close()


VIEWS = (
    ViewsBinding("embedded", embedded_views),
    ViewsBinding("mongo", mongo_views, deadline_s=10.0, every_nth_order=97, stack="local"),
)
