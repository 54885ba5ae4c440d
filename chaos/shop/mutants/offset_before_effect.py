"""Offsets are committed when records arrive, and not when their effect is."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.delivery.consumer import BATCH_MAX, Lane
from system.kit.delivery.middleware import Batch
from system.kit.errors import Fenced, Stopping


def _at_most_once(reached: Reached, _: Any) -> Any:
    async def run(self: Any) -> None:
        with suppress(Stopping, Fenced):
            while not self.lifespan.stopping.is_set():
                if not self.queue:
                    self._filled.clear()
                    await self._filled.wait()
                    continue
                size = min(BATCH_MAX, len(self.queue))
                records = tuple(self.queue.popleft() for _ in range(size))
                self.done = records[-1].offset + 1
                reached()
                await self._step(Batch(records))

    return run


MUTANT = Mutant(
    bug="A consumer that dies between offset and effect has lost the event.",
    breaks=(
        "events_have_their_effect",
        "final_states_reached",
        "ended_things_hold_nothing",
        "things_hold_what_they_took",
        "handled_is_remembered",
    ),
    workloads=("orders",),
    switched_in=attribute(Lane, "_run", _at_most_once),
    point_faults=("crash@*:log.commit:reply:*",),
    timed_faults=(
        "outage@sql:0.06:3/restart@products:1.5:0",
        "outage@sql:0.1:3/restart@orders:2:0",
    ),
)
