"""What cannot be read is nobody's case: the error goes up until the process ends."""

from __future__ import annotations

from dataclasses import replace

from chaos.kit.simulated.mutant import Mutant, Reached, middleware
from system.events import BY_TYPE
from system.kit.chains import ChainParts
from system.kit.delivery import outbox
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.errors import Poison


def _brittle(reached: Reached, _: ChainParts, __: Middleware) -> list[Middleware]:
    def around(step: Step) -> Step:
        async def decoding(batch: Batch) -> None:
            try:
                envelopes = tuple(
                    outbox.decode(record.message, BY_TYPE) for record in batch.records
                )
            except Poison:
                reached()
                raise
            await step(replace(batch, envelopes=envelopes))

        return decoding

    return [around]


MUTANT = Mutant(
    bug="One message that nobody can read ends its consumer, again and again.",
    breaks=("no_process_falls",),
    workloads=("dead-letters",),
    switched_in=middleware("decoded", _brittle),
)
