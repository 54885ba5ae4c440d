"""A message that cannot be read ends the process, which reads it again when it is back."""

from __future__ import annotations

from dataclasses import replace

from chaos.mutants.mutant import Mutant, Reached, middleware
from system.delivery import outbox
from system.delivery.dead_letters import is_for
from system.delivery.middleware import Batch, Middleware, Step
from system.ports.errors import Poison
from system.wiring import WriteChain


def _unguarded(reached: Reached, made_of: WriteChain, _: Middleware) -> list[Middleware]:
    def around(step: Step) -> Step:
        async def decoding(batch: Batch) -> None:
            records = [record for record in batch.records if is_for(record, made_of.consumer)]
            try:
                envelopes = tuple(outbox.decode(record.message) for record in records)
            except Poison:
                reached()
                raise
            await step(replace(batch, records=tuple(records), envelopes=envelopes))

        return decoding

    return [around]


MUTANT = Mutant(
    bug="One unreadable message keeps a consumer in a loop of crash and restart.",
    breaks=("no_process_fails",),
    workloads=("letters",),
    switched_in=middleware("decoded", _unguarded),
)
