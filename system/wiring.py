"""THE ONE PLACE: which real parts a stack has, and how parts and the table become roles.

`embedded()` and `servers()` choose the parts; `role()` builds a role from them. Everything else
takes what it needs as arguments: tests and the simulation replace a part, a row of the table or a
middleware from outside.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from system import logs
from system.delivery import inbox, outbox
from system.delivery.consumer import Chain, Consumer
from system.delivery.dead_letters import DeadLetters
from system.delivery.middleware import Middleware, Step, chain
from system.delivery.middleware.dead_lettered import dead_lettered
from system.delivery.middleware.decoded import decoded
from system.delivery.middleware.handled import Handler, handled
from system.delivery.middleware.inboxed import inboxed
from system.delivery.middleware.patient import patient
from system.delivery.middleware.retried import retried
from system.delivery.middleware.split import split
from system.delivery.middleware.traced import traced
from system.delivery.middleware.transactional import transactional
from system.delivery.patience import Outage, patiently
from system.delivery.purge import Purge, Rule
from system.delivery.relay import Relay, RelayParts
from system.events import BY_TYPE, PARTITIONS, TOPICS, Event, dlq
from system.life import Life, Service
from system.metrics import Metrics
from system.operations import admin
from system.orders import api as order_api
from system.ports.errors import Conflict, Lost, Stopping, Unavailable
from system.ports.log import Log
from system.ports.views import ViewStore
from system.ports.work import Probe, Work
from system.ports.world import World
from system.products import api as product_api
from system.query import api as query_api
from system.query.generations import Projecting, ProjectionParts
from system.roles import QUERY_SIDE, ROLES, RoleSpec
from system.settings import Settings
from system.table import TABLE, VIEWS, Row, events_of, handlers_of, projections
from system.users import api as user_api
from system.web import idempotency
from system.web.app import application
from system.web.commands import Commands
from system.web.connections import Connections
from system.web.health import Health
from system.web.route import Route
from system.web.server import HttpService

VIEWS_AT = (
    f"http://localhost:{next(spec.port for spec in ROLES if spec.name == 'query-api')}/openapi.json"
)
"""Where the query side describes itself, unless it was moved."""
ALL_TOPICS = (*TOPICS, *(dlq(topic) for topic in TOPICS))


class StackError(Exception):
    """A stack cannot be had; the text is one line that says what to do."""


class Commits:
    """Lets a commit of this process wake the relay of its aggregate at once."""

    def __init__(self) -> None:
        self._events = {spec.relays: asyncio.Event() for spec in ROLES if spec.relays}

    def of(self, aggregate: str) -> asyncio.Event:
        return self._events[aggregate]

    def tell(self, aggregates: Collection[str]) -> None:
        for aggregate in aggregates:
            self._events[aggregate].set()


class Prepare(Protocol):
    """Makes tables and topics, and asks the views to let it in. Raises Unavailable."""

    async def __call__(
        self, *, tables: bool = True, topics: bool = True, shows: bool = True
    ) -> None: ...


SERVERS_HINT = (
    "docker compose up starts the servers, python -m scenarios.harness.servers does so without "
    "Docker; --stack embedded needs none"
)
"""What a role says that finds no servers when it starts: once, and then it waits without a word."""


async def nothing_to_prepare(
    *, tables: bool = True, topics: bool = True, shows: bool = True
) -> None:
    """The embedded stack is ready once it is opened."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What one process is made of, whatever the stack."""

    work: Work
    probe: Probe
    log: Callable[[str], Log]
    """The log's client of a role."""
    views: ViewStore
    world: World
    commits: Commits
    connections_in_use: Callable[[], int] = lambda: 0
    prepare: Prepare = nothing_to_prepare


@dataclass(frozen=True, slots=True)
class Role:
    """One of the eight: a process is a TaskGroup over the services of its roles."""

    name: str
    http: HttpService
    services: tuple[Service, ...]


# --- parts ----------------------------------------------------------------------------------------


@asynccontextmanager
async def embedded(settings: Settings, directory: Path | None = None) -> AsyncIterator[Parts]:
    """SQLite, the embedded log and views. Without a directory nothing is kept."""
    from system.adapters.journal import DataDirectoryError
    from system.adapters.log_embedded import EmbeddedBroker, EmbeddedLog
    from system.adapters.views_embedded import EmbeddedViewStore
    from system.adapters.work_sql import SqlWork, create_tables, sqlite_engine
    from system.adapters.world_real import RealWorld

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
                await EmbeddedLog(broker, "setup").ensure(ALL_TOPICS)
            except (Conflict, Unavailable) as error:
                raise StackError(f"cannot use {directory or scratch}: {error}") from error
            work = SqlWork(engine, world, timeout_s=settings.sql_timeout_s, committed=commits.tell)
            yield Parts(
                work=work,
                probe=work.probe,
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
async def servers(settings: Settings) -> AsyncIterator[Parts]:
    """MySQL, Kafka and MongoDB, at the addresses of the settings."""
    from system.adapters.kafka_group import GroupRules
    from system.adapters.log_kafka import KafkaLog, UnfitTopic
    from system.adapters.views_mongo import MongoViewStore, UnfitViews
    from system.adapters.work_sql import SqlWork, UnfitDatabase, create_tables, mysql_engine
    from system.adapters.world_real import RealWorld

    # it tells an outage in hundreds of lines; the adapter tells it in one, in our own words
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    world, commits = RealWorld(), Commits()
    instance = settings.instance or str(world.new_id())[:8]
    engine = mysql_engine(settings.mysql_url(), pool_size=settings.sql_pool_size)
    work = SqlWork(
        engine,
        world,
        timeout_s=settings.sql_timeout_s,
        committed=commits.tell,
        unpooled=mysql_engine(settings.mysql_url(), pool_size=None),
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
                await log_of("setup").ensure(ALL_TOPICS)
        except UnfitDatabase as unfit:
            place = f"{engine.url.host}:{engine.url.port}"
            raise StackError(f"cannot use the database at {place}: {unfit}") from unfit
        except UnfitViews as unfit:
            raise StackError(f"cannot use the views at MONGO_URI: {unfit}") from unfit
        except UnfitTopic as unfit:
            raise StackError(str(unfit)) from unfit

    try:
        yield Parts(
            work=work,
            probe=work.probe,
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


# --- roles ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WriteChain:
    """What the chain around a handler of the write side is made of."""

    consumer: str
    parts: Parts
    retry_delays_s: Sequence[float]
    letters: DeadLetters
    metrics: Metrics
    logger: logs.Logger
    life: Life
    events: Mapping[str, type[Event]] = field(default_factory=lambda: BY_TYPE)
    """The model of each topic."""


def write_chain(made_of: WriteChain) -> list[Middleware]:
    """What happens around a handler, outermost first. When a transaction fails, read upwards."""
    parts, life, logger = made_of.parts, made_of.life, made_of.logger
    world, letters, consumer = parts.world, made_of.letters, made_of.consumer
    return [
        traced(consumer, logger),
        decoded(
            consumer,
            letters.park,
            life=life,
            world=world,
            logger=logger,
            events=made_of.events,
        ),
        split,
        patient(life, logger),
        dead_lettered(letters.park),
        retried(
            made_of.retry_delays_s,
            parts.probe,
            consumer=consumer,
            life=life,
            world=world,
            metrics=made_of.metrics,
            logger=logger,
        ),
        transactional(parts.work, world),
        inboxed(consumer, made_of.metrics),
    ]


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a role is built by, beside its parts."""

    settings: Settings = field(default_factory=Settings)
    table: Sequence[Row] = TABLE
    write_chain: Callable[[WriteChain], list[Middleware]] = write_chain
    connections: Connections = field(default_factory=Connections)


def role(name: str, parts: Parts, blueprint: Blueprint, life: Life) -> Role:
    """Build one of the eight roles."""
    spec = next(spec for spec in ROLES if spec.name == name)
    settings = blueprint.settings
    builder = _Builder(spec, parts, blueprint, Metrics(), logs.logger(name))
    services, routes = builder.services_and_routes()
    builder.metrics.pool(parts.connections_in_use)
    token = settings.admin_token
    http = HttpService(
        name,
        application(
            name,
            routes,
            world=parts.world,
            health=Health(life, builder.checks()),
            metrics=builder.metrics,
            timeout_s=settings.http_timeout_s,
            admin_token=token.get_secret_value() if token else None,
            views_at=VIEWS_AT,
        ),
        parts.world,
        builder.metrics,
        connections=blueprint.connections,
        host=settings.host,
        port=spec.port if settings.port is None else settings.port,
    )
    life.waited_for |= {
        service.name for service in (http, *services) if not isinstance(service, Purge)
    }
    return Role(name, http, (http, *services))


@dataclass(frozen=True, slots=True)
class _Builder:
    spec: RoleSpec
    parts: Parts
    blueprint: Blueprint
    metrics: Metrics
    logger: logs.Logger

    def services_and_routes(self) -> tuple[list[Service], list[Route]]:
        match self.spec.name:
            case "user-api":
                return [], user_api.routes(self.parts.work, self._commands())
            case "product-api":
                return [], product_api.routes(self.parts.work, self._commands())
            case "order-api":
                return [], order_api.routes(self.parts.work, self._commands())
            case "query-api":
                return [], query_api.routes(self.parts.views, VIEWS)
            case "query-consumer":
                return self._query_consumer()
            case _:
                return self._write_consumer()

    def checks(self) -> Mapping[str, Probe]:
        """The stores that the role cannot work without."""
        if self.spec.name in QUERY_SIDE:
            return {"views": self._views_are_there}
        return {"write model": self.parts.probe}

    async def _views_are_there(self) -> None:
        if (await self.parts.views.generations()).live is None:
            raise Unavailable("the views are being built")

    def _commands(self) -> Commands:
        own = copy_context()  # of no request: what requests share is logged under the role alone
        own.run(logs.within, self.spec.name)
        return own.run(Commands, self.parts.work, self.parts.world)

    def _letters(self) -> DeadLetters:
        return DeadLetters(
            self.spec.name,
            self.parts.log(self.spec.name),
            self.parts.world,
            self.metrics,
            self.logger,
        )

    def _query_consumer(self) -> tuple[list[Service], list[Route]]:
        letters = self._letters()
        projecting = Projecting(
            self.spec.name,
            projections(self.blueprint.table),
            ProjectionParts(
                log=self.parts.log(self.spec.name),
                store=self.parts.views,
                world=self.parts.world,
                metrics=self.metrics,
                logger=self.logger,
                letters=letters,
                retry_delays_s=self.blueprint.settings.retry_delays_s,
                events=events_of(self.blueprint.table),
            ),
        )
        return [projecting], [*admin.letter_routes(letters), *admin.rebuild_routes(projecting)]

    def _write_consumer(self) -> tuple[list[Service], list[Route]]:
        letters = self._letters()
        services: list[Service] = [self._relay(), self._purge()]
        handlers = handlers_of(self.spec.name, self.blueprint.table)
        if handlers:
            consumer = Consumer(
                self.spec.name,
                self.spec.name,
                {topic: self._chain(handler, letters) for topic, handler in handlers.items()},
                log=self.parts.log(self.spec.name),
                metrics=self.metrics,
                logger=self.logger,
            )
            services.append(consumer)
        return services, admin.letter_routes(letters)

    def _chain(self, handler: Handler, letters: DeadLetters) -> Chain:
        def lane(life: Life) -> Step:
            made_of = WriteChain(
                consumer=self.spec.name,
                parts=self.parts,
                retry_delays_s=self.blueprint.settings.retry_delays_s,
                letters=letters,
                metrics=self.metrics,
                logger=self.logger,
                life=life,
                events=events_of(self.blueprint.table),
            )
            return chain(self.blueprint.write_chain(made_of), handled(handler))

        return lane

    def _relay(self) -> Relay:
        aggregate = self.spec.relays
        assert aggregate is not None, "consumers of the write side relay their aggregate's events"
        relay_parts = RelayParts(
            work=self.parts.work,
            log=self.parts.log(f"{self.spec.name}-relay"),
            world=self.parts.world,
            metrics=self.metrics,
            logger=self.logger,
            commits=self.parts.commits.of(aggregate),
        )
        interval_s = self.blueprint.settings.outbox_poll_interval_s
        return Relay(aggregate, relay_parts, poll_interval_s=interval_s)

    def _purge(self) -> Purge:
        settings, consumer, aggregate = self.blueprint.settings, self.spec.name, self.spec.relays
        rules = [
            Rule(
                "sent events",
                settings.outbox_retention_s,
                lambda sql, before, limit: outbox.purge(sql, str(aggregate), before, limit),
            ),
            Rule(
                "handled ids",
                settings.inbox_retention_s,
                lambda sql, before, limit: inbox.purge(sql, consumer, before, limit),
            ),
            # the same rows for all three consumers: whoever comes first leaves nothing for the rest
            Rule("answers to commands", settings.idempotency_retention_s, idempotency.purge),
        ]
        return Purge(f"{aggregate}-purge", rules, work=self.parts.work, logger=self.logger)


async def run(roles: Sequence[Role], life: Life) -> None:
    """Run the services of these roles until the process is asked to stop, or one of them fails."""
    try:
        async with asyncio.TaskGroup() as group:
            for made in roles:
                group.create_task(_of_role(made.name, made.http, life), name=made.http.name)
            for made in roles:  # whoever has no port disturbs nobody: no group, no lease
                await made.http.listening.wait()
            for made in roles:
                for service in made.services:
                    if service is not made.http:
                        group.create_task(_of_role(made.name, service, life), name=service.name)
    finally:
        life.stopping.set()


async def prepared(names: Collection[str], parts: Parts, life: Life) -> bool:
    """Prepare what these roles need, for as long as a server of theirs is away.

    No more than that: orders are accepted, and views read, while the broker is away, and a role
    that starts just then must not wait for it. False if the process was asked to stop first.
    """
    prepare = partial(
        parts.prepare,
        tables=any(name not in QUERY_SIDE for name in names),
        shows=any(name in QUERY_SIDE for name in names),
        topics=any(not name.endswith("-api") for name in names),
    )
    preparing = asyncio.create_task(
        patiently(prepare, life, logs.logger("start"), hint=SERVERS_HINT)
    )
    stopping = asyncio.create_task(life.stopping.wait())
    await asyncio.wait({preparing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    preparing.cancel()  # nothing, if it is done
    await asyncio.wait({preparing})
    if preparing.cancelled():
        return False
    try:
        preparing.result()
    except Stopping:
        return False
    return True


async def _of_role(name: str, service: Service, life: Life) -> None:
    logs.within(name)
    try:
        await service.run(life)
    except Lost as lost:
        raise StackError(
            f"{name}: {lost}; each process of a role needs an INSTANCE of its own"
        ) from lost
