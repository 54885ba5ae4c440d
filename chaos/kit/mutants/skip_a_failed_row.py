"""The relay logs what could not be published, and goes on."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.delivery.relay import Relay


def _shrugging(reached: Reached, _: Any) -> Any:
    async def publish(self: Any, rows: list[Any]) -> list[int]:
        results = await self._parts.log.publish([row.message for row in rows])
        if any(results):
            reached()
        return [row.id for row in rows]

    return publish


MUTANT = Mutant(
    bug="A row that the broker did not take is marked like the others, so that it blocks nobody.",
    breaks=("no_lost_event",),
    switched_in=attribute(Relay, "_publish", _shrugging),
    point_faults=("error@*:log.publish:request:*",),
)
