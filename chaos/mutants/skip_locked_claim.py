"""Relays share the outbox by `SKIP LOCKED`: each takes the next rows that nobody else has."""

from __future__ import annotations

from typing import Any

from chaos.mutants.mutant import Mutant, Reached, attributes
from system.delivery import outbox
from system.delivery.relay import Relay

ROWS = 1


def _by_claim(reached: Reached, _: Any) -> Any:
    claimed: set[int] = set()  # the rows that some relay has locked

    async def relay_once(self: Any, _: Any) -> bool:
        async with self._parts.work() as unit:
            rows = await outbox.unsent(unit.sql, self._aggregate, above=0, limit=50)
        free = [row for row in rows if row.id not in claimed][:ROWS]
        if len(free) < len(rows):
            reached()
        ids = {row.id for row in free}
        claimed.update(ids)
        try:
            return bool(await self._publish(free, set()))
        finally:
            claimed.difference_update(ids)

    return relay_once


def _without_lease(_: Reached, __: Any) -> Any:
    async def hold_lease(_: Relay) -> bool:
        return True

    return hold_lease


MUTANT = Mutant(
    bug="Two relays send different rows of one key at the same time, in whatever order.",
    breaks=("per_key_order",),
    workloads=("twins",),
    switched_in=attributes(
        (Relay, "relay_once", _by_claim), (Relay, "_hold_lease", _without_lease)
    ),
    strikes=("*@products*:log.publish:request:*", "*@orders*:log.publish:request:*"),
)
