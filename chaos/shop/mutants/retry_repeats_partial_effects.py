"""A handler's failure is retried without a rollback of what it has done so far."""

from __future__ import annotations

from dataclasses import replace

from chaos.kit.simulated.mutant import Mutant, Reached, middleware
from system.kit.chains import ChainParts
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.errors import Conflict, Unavailable


def _committing(reached: Reached, made_of: ChainParts, _: Middleware) -> list[Middleware]:
    def around(step: Step) -> Step:
        async def in_a_transaction(batch: Batch) -> None:
            failure: Exception | None = None
            async with made_of.parts.work() as unit:
                try:
                    await step(replace(batch, work=unit))
                except (Unavailable, Conflict):
                    raise
                except Exception as error:  # noqa: BLE001 - committed, and raised after
                    reached()
                    failure = error
            if failure is not None:
                raise failure

        return in_a_transaction

    return [around]


MUTANT = Mutant(
    bug="What a failed attempt had written is committed, and each retry adds to it.",
    breaks=("events_have_their_effect",),
    workloads=("dead-letters",),
    switched_in=middleware("transactional", _committing),
)
