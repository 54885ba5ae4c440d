"""A batch that fails is given up as a whole."""

from __future__ import annotations

from datetime import UTC, datetime

from chaos.kit.simulated.mutant import Mutant, Reached, middleware
from system.kit.chains import ChainParts
from system.kit.delivery.failures import Failure
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.errors import Conflict, Fenced, Stopping, Unavailable

THEN = datetime(2026, 1, 31, tzinfo=UTC)


def _whole(reached: Reached, made_of: ChainParts, _: Middleware) -> list[Middleware]:
    def around(step: Step) -> Step:
        async def parking(batch: Batch) -> None:
            try:
                await step(batch)
            except (Fenced, Stopping, Unavailable, Conflict):
                raise
            except Exception as error:
                if batch.single:
                    raise
                reached()
                for record in batch.records:
                    await made_of.park(record, Failure.after(None, error, THEN))

        return parking

    return [around]


MUTANT = Mutant(
    bug="One message that cannot be handled takes its whole batch to the dead letters.",
    breaks=("dead_letters_are_the_poison", "retries_as_scheduled"),
    workloads=("dead-letters",),
    switched_in=middleware("bisected", _whole),
    timed_faults=("slow@log:0:1", "outage@log:0.05:2"),
)
