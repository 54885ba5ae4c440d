"""The inbox row is committed first, and then the effect."""

from __future__ import annotations

from dataclasses import replace

from chaos.kit.simulated.mutant import Mutant, Reached, middleware
from system.kit.chains import ChainParts
from system.kit.delivery import inbox
from system.kit.delivery.middleware import Batch, Middleware, Step


def _first(reached: Reached, made_of: ChainParts, right: Middleware) -> list[Middleware]:
    work, service = made_of.parts.work, made_of.consumer

    def around(step: Step) -> Step:
        async def remembering(batch: Batch) -> None:
            first_of = {envelope.event.event_id: envelope for envelope in batch.envelopes}
            async with work() as unit:
                seen = await inbox.known(unit.sql, service, first_of.keys())
                fresh = {id: one for id, one in first_of.items() if id not in seen}
                if fresh:
                    await inbox.remember(unit.sql, service, fresh.keys(), unit.now.at)
            if fresh:
                reached()
                await step(replace(batch, envelopes=tuple(fresh.values())))

        return remembering

    return [around, right]


MUTANT = Mutant(
    bug="An event is noted as handled before it is: a failure in between loses its effect.",
    breaks=(
        "events_have_their_effect",
        "final_states_reached",
        "ended_things_hold_nothing",
        "things_hold_what_they_took",
    ),
    workloads=("orders",),
    switched_in=middleware("transactional", _first, without=("inboxed",)),
    point_faults=("*@*:sql.commit:*", "*@*:sql.*-points:*", "*@products:sql.*:*"),
)
