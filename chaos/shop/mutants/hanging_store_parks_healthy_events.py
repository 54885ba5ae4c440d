"""A transaction that takes too long counts as a failed attempt, whatever the store says."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, middleware
from system.kit.chains import ChainParts
from system.kit.delivery.middleware import Middleware
from system.kit.delivery.middleware.retried import retried


def _unasked(reached: Reached, made_of: ChainParts, _: Middleware) -> list[Middleware]:
    async def nobody_is_asked() -> Any:
        reached()

    return [
        retried(
            made_of.retry_delays_s,
            nobody_is_asked,
            consumer=made_of.consumer,
            lifespan=made_of.lifespan,
            world=made_of.parts.world,
            metrics=made_of.metrics,
            logger=made_of.logger,
        )
    ]


MUTANT = Mutant(
    bug="A database that hangs makes every event a dead letter.",
    breaks=("dead_letters_are_the_poison",),
    workloads=("orders",),
    switched_in=middleware("retried", _unasked),
    timed_faults=("hang@sql:0.03:40",),
)
