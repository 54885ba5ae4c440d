"""The chains around a handler and around projections, outermost first.

When a transaction fails, read upwards. A command's steps are in `commands/group_commit.py`: look up,
claim, act, keep, COMMIT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from system.kit.delivery.dead_letters import DeadLetters, Park
from system.kit.delivery.middleware import Middleware
from system.kit.delivery.middleware.bisected import bisected
from system.kit.delivery.middleware.dead_lettered import dead_lettered
from system.kit.delivery.middleware.decoded import decoded
from system.kit.delivery.middleware.inboxed import inboxed
from system.kit.delivery.middleware.logged import logged
from system.kit.delivery.middleware.retried import retried
from system.kit.delivery.middleware.transactional import transactional
from system.kit.delivery.middleware.waits_for_stores import waits_for_stores
from system.kit.events import Event
from system.kit.lifespan import Lifespan
from system.kit.logs import Logger
from system.kit.metrics import Metrics
from system.kit.parts import Parts
from system.kit.ports.work import Probe
from system.kit.ports.world import World


def delivered(
    consumer: str,
    events: Mapping[str, type[Event]],
    park: Park,
    probe: Probe,
    *,
    retry_delays_s: Sequence[float],
    world: World,
    metrics: Metrics,
    logger: Logger,
    lifespan: Lifespan,
) -> list[Middleware]:
    """What all chains have in common: nothing is lost, whatever fails.

    `events` has the model of each topic. `probe` is asked when something took too long: it raises
    Unavailable where that was the store's fault, not the message's.
    """
    return [
        logged(consumer, logger),
        decoded(consumer, park, lifespan=lifespan, world=world, logger=logger, events=events),
        bisected,
        waits_for_stores(lifespan, logger),
        dead_lettered(park),
        retried(
            retry_delays_s,
            probe,
            consumer=consumer,
            lifespan=lifespan,
            world=world,
            metrics=metrics,
            logger=logger,
        ),
    ]


@dataclass(frozen=True, slots=True)
class WriteChain:
    """What the chain around a handler of the write side is made of."""

    consumer: str
    parts: Parts
    retry_delays_s: Sequence[float]
    letters: DeadLetters
    metrics: Metrics
    logger: Logger
    lifespan: Lifespan
    events: Mapping[str, type[Event]]
    """The model of each topic."""


def write_chain(made_of: WriteChain) -> list[Middleware]:
    """What happens around a handler: once per event, in one transaction with its effects."""
    parts = made_of.parts
    return [
        *delivered(
            made_of.consumer,
            made_of.events,
            made_of.letters.park,
            parts.probe,
            retry_delays_s=made_of.retry_delays_s,
            world=parts.world,
            metrics=made_of.metrics,
            logger=made_of.logger,
            lifespan=made_of.lifespan,
        ),
        transactional(parts.work, parts.world),
        inboxed(made_of.consumer, made_of.metrics),
    ]
