"""What cannot be read is tried again and again, like anything else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

from chaos.kit.simulated.mutant import Mutant, Reached, middleware
from system.events import BY_TYPE
from system.kit.chains import ChainParts
from system.kit.delivery import outbox
from system.kit.delivery.failures import Failure
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.delivery.patience import patiently
from system.kit.errors import Poison


def _stubborn(reached: Reached, made_of: ChainParts, _: Middleware) -> list[Middleware]:
    def around(step: Step) -> Step:
        async def decoding(batch: Batch) -> None:
            for record in batch.records:
                failure: Failure | None = None
                for pause_s in (*made_of.retry_delays_s, 0.0):
                    try:
                        envelope = outbox.decode(record.message, BY_TYPE)
                    except Poison as poison:
                        reached()
                        failure = Failure.after(failure, poison, made_of.parts.world.now())
                        await asyncio.sleep(pause_s)
                        continue
                    failure = None
                    await step(replace(batch, records=(record,), envelopes=(envelope,)))
                    break
                if failure is not None:
                    park = partial(made_of.park, record, failure)
                    await patiently(park, made_of.lifespan, made_of.logger)

        return decoding

    return [around]


MUTANT = Mutant(
    bug="Poison holds up its partition for the whole retry schedule before it is parked.",
    breaks=("retries_as_scheduled",),
    workloads=("dead-letters",),
    switched_in=middleware("decoded", _stubborn),
)
