"""A replayed dead letter goes straight to its handler."""

from __future__ import annotations

from chaos.kit.simulated.mutant import Mutant, Reached, middleware
from system.kit.chains import ChainParts
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.events import REPLAY_FOR


def _around_it(reached: Reached, _: ChainParts, right: Middleware) -> list[Middleware]:
    def around(step: Step) -> Step:
        with_inbox = right(step)

        async def choosing(batch: Batch) -> None:
            if any(record.message.header(REPLAY_FOR) for record in batch.records):
                reached()
                await step(batch)
            else:
                await with_inbox(batch)

        return choosing

    return [around]


MUTANT = Mutant(
    bug="A message that was replayed twice, or handled meanwhile, takes effect twice.",
    breaks=("one_effect_per_cause", "handled_is_remembered"),
    workloads=("dead-letters",),
    switched_in=middleware("inboxed", _around_it),
)
