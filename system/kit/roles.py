"""Roles: how the parts of a stack and the tables of a system become what a process runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass, field

from system.kit import logs
from system.kit.chains import ChainParts, command_chain, write_chain
from system.kit.commands import idempotency
from system.kit.commands.group_commit import Commands
from system.kit.delivery import inbox, outbox
from system.kit.delivery.consumer import Chain, Consumer
from system.kit.delivery.dead_letters import DeadLetters
from system.kit.delivery.middleware import Middleware, Step
from system.kit.delivery.middleware.handled import Handler, handled
from system.kit.delivery.purge import Purge, Rule
from system.kit.delivery.relay import Relay, RelayParts
from system.kit.errors import Unavailable
from system.kit.http.app import application
from system.kit.http.connections import Connections
from system.kit.http.health import Health
from system.kit.http.route import Route
from system.kit.http.server import HttpService
from system.kit.lifespan import Lifespan, Service
from system.kit.metrics import Metrics
from system.kit.operations import admin
from system.kit.parts import Parts
from system.kit.ports.work import Probe
from system.kit.settings import KitSettings
from system.kit.spec import Kind, RoleSpec
from system.kit.steps import chain
from system.kit.table import System
from system.kit.timing import TIMING, Timing
from system.kit.views import api as views_api
from system.kit.views.generations import Projecting, ProjectionParts


@dataclass(frozen=True, slots=True)
class Role:
    """One role of a system: a process is a TaskGroup over the services of its roles."""

    name: str
    http: HttpService
    services: tuple[Service, ...]


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a role is built by, beside its parts."""

    system: System
    settings: KitSettings
    write_chain: Callable[[ChainParts], list[Middleware]] = write_chain
    connections: Connections = field(default_factory=Connections)
    metrics: Callable[[], Metrics] = Metrics
    """Of each role."""
    timing: Timing = TIMING
    with_pages: bool = True
    """Whether an API serves, beside its routes, how it is and what it is. A simulation asks nobody that."""

    @property
    def views_at(self) -> str:
        """Where the query side describes itself, unless it was moved."""
        port = next(spec.port for spec in self.system.roles if spec.kind is Kind.QUERIES)
        return f"http://localhost:{port}/openapi.json"


def build(name: str, parts: Parts, blueprint: Blueprint, lifespan: Lifespan) -> Role:
    """Build a role of the system."""
    spec = blueprint.system.role(name)
    settings = blueprint.settings
    builder = _Builder(spec, parts, blueprint, blueprint.metrics(), logs.logger(name))
    services, routes = builder.services_and_routes()
    builder.metrics.pool(parts.connections_in_use)
    token = settings.admin_token
    http = HttpService(
        name,
        application(
            name,
            routes,
            world=parts.world,
            health=Health(lifespan, builder.checks()),
            metrics=builder.metrics,
            timeout_s=settings.http_timeout_s,
            admin_token=token.get_secret_value() if token else None,
            views_at=blueprint.views_at,
            with_pages=blueprint.with_pages,
        ),
        parts.world,
        builder.metrics,
        connections=blueprint.connections,
        host=settings.host,
        port=spec.port if settings.port is None else settings.port,
    )
    lifespan.waited_for |= {
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
        system = self.blueprint.system
        match self.spec.kind:
            case Kind.COMMANDS:
                routes = system.routes[self.spec.name]
                return [], routes(self.parts.work, self._commands())
            case Kind.QUERIES:
                return [], views_api.routes(self.parts.views, system.views)
            case Kind.HANDLERS:
                return self._handlers()
            case Kind.PROJECTIONS:
                return self._projections()

    def checks(self) -> Mapping[str, Probe]:
        """The stores that the role cannot work without."""
        if self.spec.kind.is_of_views:
            return {"views": self._views_are_there}
        return {"write model": self.parts.probe}

    async def _views_are_there(self) -> None:
        if (await self.parts.views.generations()).live is None:
            raise Unavailable("the views are being built")

    def _commands(self) -> Commands:
        own = copy_context()  # of no request: what requests share is logged under the role alone
        own.run(logs.within, self.spec.name)
        work = self.parts.work
        return own.run(Commands, work, command_chain(work, self.parts.world))

    def _letters(self) -> DeadLetters:
        return DeadLetters(
            self.spec.name,
            self.blueprint.system.topics,
            self.parts.log(self.spec.name),
            self.parts.world,
            self.metrics,
            self.logger,
        )

    def _projections(self) -> tuple[list[Service], list[Route]]:
        letters = self._letters()
        projecting = Projecting(
            self.spec.name,
            self.blueprint.system.projections,
            ProjectionParts(
                parts=self.parts,
                log=self.parts.log(self.spec.name),
                metrics=self.metrics,
                logger=self.logger,
                letters=letters,
                retry_delays_s=self.blueprint.settings.retry_delays_s,
                events=self.blueprint.system.events,
                timing=self.blueprint.timing,
            ),
        )
        return [projecting], [
            *admin.dead_letter_routes(letters, self.blueprint.system.consumers),
            *admin.rebuild_routes(projecting),
        ]

    def _handlers(self) -> tuple[list[Service], list[Route]]:
        letters = self._letters()
        services: list[Service] = [self._relay(), self._purge()]
        handlers = self.blueprint.system.handlers_of(self.spec.name)
        if handlers:
            consumer = Consumer(
                self.spec.name,
                self.spec.name,
                {topic: self._chain(handler, letters) for topic, handler in handlers.items()},
                log=self.parts.log(self.spec.name),
                metrics=self.metrics,
                logger=self.logger,
                timing=self.blueprint.timing,
            )
            services.append(consumer)
        return services, admin.dead_letter_routes(letters, self.blueprint.system.consumers)

    def _chain(self, handler: Handler, letters: DeadLetters) -> Chain:
        def lane(lifespan: Lifespan) -> Step:
            made_of = ChainParts(
                consumer=self.spec.name,
                parts=self.parts,
                retry_delays_s=self.blueprint.settings.retry_delays_s,
                park=letters.park,
                metrics=self.metrics,
                logger=self.logger,
                lifespan=lifespan,
                events=self.blueprint.system.events,
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
            timing=self.blueprint.timing,
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
            # the same rows for all consumers: what the first one deletes is gone for the rest
            Rule("answers to commands", settings.idempotency_retention_s, idempotency.purge),
        ]
        return Purge(f"{aggregate}-purge", rules, work=self.parts.work, logger=self.logger)
