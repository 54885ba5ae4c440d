"""After a lock wait only the failed statement is undone, and the handler starts again."""

from __future__ import annotations

from chaos.kit.simulated.mutant import Mutant, Reached, middleware
from system.kit.chains import ChainParts
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.errors import Conflict

TIMES = 3


def _in_place(reached: Reached, _: ChainParts, right: Middleware) -> list[Middleware]:
    def around(step: Step) -> Step:
        async def again(batch: Batch) -> None:
            for time in range(TIMES):
                try:
                    await step(batch)
                    break
                except Conflict:
                    reached()
                    if time == TIMES - 1:
                        raise

        return again

    return [right, around]


MUTANT = Mutant(
    bug="A handler is called again in the transaction that holds half of its first call.",
    breaks=(
        "events_have_their_effect",
        "amounts_conserved",
        "amounts_are_held_by_things",
        "final_states_reached",
        "ended_things_hold_nothing",
        "things_hold_what_they_took",
    ),
    workloads=("orders",),
    switched_in=middleware("inboxed", _in_place),
    point_faults=("conflict@*:sql.*-points:*", "conflict@*"),
)
