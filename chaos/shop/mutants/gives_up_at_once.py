"""A message that fails once is parked."""

from __future__ import annotations

from chaos.kit.simulated.mutant import Mutant, Reached, middleware
from system.kit.chains import ChainParts
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.delivery.middleware.retried import retried


def _impatient(reached: Reached, made_of: ChainParts, _: Middleware) -> list[Middleware]:
    parts = made_of.parts
    without_delays = retried(
        (),
        parts.writable,
        consumer=made_of.consumer,
        lifespan=made_of.lifespan,
        world=parts.world,
        metrics=made_of.metrics,
        logger=made_of.logger,
    )

    def around(step: Step) -> Step:
        async def counted(batch: Batch) -> None:
            reached()
            await step(batch)

        return without_delays(counted)

    return [around]


MUTANT = Mutant(
    bug="There are no retries: whatever fails for a moment needs an operator.",
    breaks=("retries_as_scheduled",),
    workloads=("dead-letters",),
    switched_in=middleware("retried", _impatient),
)
