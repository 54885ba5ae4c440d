"""The three chains, outermost first: around commands, around a handler, around projections.

When a transaction fails, read upwards. Each list leaves out its innermost step: `acted`, `handled` or `projected`,
in `commands/middleware/` and `delivery/middleware/`. That step calls the code of a domain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from system.kit.commands import batch as commands
from system.kit.commands.middleware.committed import committed
from system.kit.commands.middleware.decided import decided
from system.kit.commands.middleware.keyed import keyed
from system.kit.delivery.dead_letters import Park
from system.kit.delivery.middleware import Middleware
from system.kit.delivery.middleware.bisected import bisected
from system.kit.delivery.middleware.dead_lettered import dead_lettered
from system.kit.delivery.middleware.decoded import decoded
from system.kit.delivery.middleware.inboxed import inboxed
from system.kit.delivery.middleware.logged import logged
from system.kit.delivery.middleware.retried import retried
from system.kit.delivery.middleware.transactional import transactional
from system.kit.delivery.middleware.waits_for_stores import waits_for_stores
from system.kit.errors import Unavailable
from system.kit.events import Event
from system.kit.lifespan import Lifespan
from system.kit.logs import Logger
from system.kit.metrics import Metrics
from system.kit.parts import Parts
from system.kit.ports.work import Probe, UnitOfWorkFactory
from system.kit.ports.world import World


def command_chain(work: UnitOfWorkFactory, world: World) -> list[commands.Middleware]:
    """What happens around the commands of a batch: each wholly once, or not at all."""
    return [
        decided(work, world),
        committed(work, world),
        keyed,
    ]


def write_chain(made_of: ChainParts) -> list[Middleware]:
    """What happens around a handler: once per event, in one transaction with its effects."""
    parts = made_of.parts
    return [
        *delivered(made_of, parts.writable),
        transactional(parts.work, parts.world),
        inboxed(made_of.consumer, made_of.metrics),
    ]


def view_chain(made_of: ChainParts) -> list[Middleware]:
    """What happens around projections: a put may be repeated, so there is nothing to remember."""
    return delivered(made_of, _blame_the_store)


def delivered(made_of: ChainParts, probe: Probe) -> list[Middleware]:
    """What chains around events have in common: nothing is lost, whatever fails.

    `probe` is asked when something took too long: it raises Unavailable where that was the
    store's fault, not the message's.
    """
    consumer, world = made_of.consumer, made_of.parts.world
    logger, lifespan = made_of.logger, made_of.lifespan
    return [
        logged(consumer, logger),
        decoded(
            consumer,
            made_of.park,
            lifespan=lifespan,
            world=world,
            logger=logger,
            events=made_of.events,
        ),
        bisected,
        waits_for_stores(lifespan, logger),
        dead_lettered(made_of.park),
        retried(
            made_of.retry_delays_s,
            probe,
            consumer=consumer,
            lifespan=lifespan,
            world=world,
            metrics=made_of.metrics,
            logger=logger,
        ),
    ]


@dataclass(frozen=True, slots=True)
class ChainParts:
    """What a chain around events is made of."""

    consumer: str
    parts: Parts
    park: Park
    retry_delays_s: Sequence[float]
    metrics: Metrics
    logger: Logger
    lifespan: Lifespan
    events: Mapping[str, type[Event]]
    """The model of each topic."""


async def _blame_the_store() -> None:
    """Say that whatever took too long was the store's fault, also if it gives signs of life.

    A put is small and may be repeated, so none is too much for a store: it is slow. To count that
    against the event would make dead letters of good ones, and give up a rebuild under load.
    """
    raise Unavailable("the views take too long")
