"""The relay notes its rows as published, and then publishes them."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.delivery import outbox
from system.kit.delivery.relay import Relay


def _early(reached: Reached, _: Any) -> Any:
    async def publish(self: Any, rows: list[Any]) -> list[int]:
        reached()
        ids = [row.id for row in rows]
        async with self._parts.work() as unit:
            await outbox.mark_published(unit.sql, ids, unit.now.at)
        await self._parts.log.publish([row.message for row in rows])
        return ids

    return publish


MUTANT = Mutant(
    bug="Rows count as published before the broker has acknowledged them: what then fails is never sent.",
    breaks=("no_lost_event",),
    switched_in=attribute(Relay, "_publish", _early),
    point_faults=("*@*:log.publish:request:*",),
)
