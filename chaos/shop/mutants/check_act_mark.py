"""Idempotency by check, act, mark: three steps, and two gaps between them."""

from __future__ import annotations

from dataclasses import replace

from chaos.kit.simulated.mutant import Mutant, Reached, middleware
from system.kit.chains import ChainParts
from system.kit.delivery import inbox
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.delivery.middleware.transactional import transactional


def _in_three(reached: Reached, made_of: ChainParts, _: Middleware) -> list[Middleware]:
    work, service = made_of.parts.work, made_of.consumer

    def around(step: Step) -> Step:
        async def checking(batch: Batch) -> None:
            ids = [envelope.event.event_id for envelope in batch.envelopes]
            async with work() as unit:
                known = await inbox.known(unit.sql, service, ids)
            fresh = [
                (record, envelope)
                for record, envelope in zip(batch.records, batch.envelopes, strict=True)
                if envelope.event.event_id not in known
            ]
            if not fresh:
                return
            reached()
            records, envelopes = zip(*fresh, strict=True)
            await step(replace(batch, records=records, envelopes=envelopes))
            async with work() as unit:
                left = {envelope.event.event_id for envelope in envelopes} - known
                await inbox.remember(unit.sql, service, left, unit.now.at)

        return checking

    return [around, transactional(work, made_of.parts.world)]


MUTANT = Mutant(
    bug="The inbox row is written after the effect, in a transaction of its own.",
    breaks=(
        "one_effect_per_cause",
        "events_have_their_effect",
    ),
    workloads=("orders", "together"),
    switched_in=middleware("transactional", _in_three, without=("inboxed",)),
    point_faults=("crash@*:sql.commit:reply:*", "*@*:sql.insert-processed_events:*"),
)
