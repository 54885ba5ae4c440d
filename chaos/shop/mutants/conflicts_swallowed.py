"""The last of too many conflicts is swallowed, and the batch counts as done."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, middleware
from system.kit.chains import ChainParts
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.errors import CONFLICTS_MAX, Conflict


def _weary(reached: Reached, made_of: ChainParts, _: Middleware) -> list[Middleware]:
    def around(step: Step) -> Step:
        async def in_one_transaction(batch: Batch) -> Any:
            for _ in range(CONFLICTS_MAX):
                try:
                    async with made_of.parts.work() as unit:
                        return await step(replace(batch, work=unit))
                except Conflict:
                    continue
            reached()
            return None

        return in_one_transaction

    return [around]


MUTANT = Mutant(
    bug="Under contention events are passed over without an effect and without a dead letter.",
    breaks=(
        "events_have_their_effect",
        "final_states_reached",
        "ended_things_hold_nothing",
        "things_hold_what_they_took",
        "handled_is_remembered",
    ),
    workloads=("orders",),
    switched_in=middleware("transactional", _weary),
    timed_faults=("storm@sql:0.06:1.5", "storm@sql:0.1:2"),
)
