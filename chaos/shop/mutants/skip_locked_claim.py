"""Relays share the outbox by `SKIP LOCKED`: each takes the next rows that nobody else has."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attributes
from system.kit.delivery import outbox
from system.kit.delivery.relay import Relay

ROWS = 1

claimed: set[int] = set()
"""The rows that some relay has locked."""


def _by_claim(reached: Reached, _: Any) -> Any:
    claimed.clear()

    async def read(self: Any) -> Any:
        async with self._parts.work() as unit:
            rows = await outbox.unsent(unit.sql, self._aggregate, limit=50)
        free = sorted((row for row in rows if row.id not in claimed), key=lambda row: row.id)
        if len(free) < len(rows):
            reached()
        claimed.update(row.id for row in free[:ROWS])
        return free[:ROWS]

    return read


def _letting_go(_: Reached, right: Any) -> Any:
    async def send(self: Any, rows: Any, *arguments: Any) -> Any:
        try:
            return await right(self, rows, *arguments)
        finally:
            claimed.difference_update(row.id for row in rows)

    return send


def _without_lease(_: Reached, __: Any) -> Any:
    async def hold_lease(_: Relay) -> bool:
        return True

    return hold_lease


MUTANT = Mutant(
    bug="Two relays send different rows of one key at the same time, in whatever order.",
    breaks=("order_per_key",),
    workloads=("twins",),
    switched_in=attributes(
        (Relay, "_read", _by_claim),
        (Relay, "_send", _letting_go),
        (Relay, "_hold_lease", _without_lease),
    ),
    point_faults=("*@products*:log.publish:request:*", "*@orders*:log.publish:request:*"),
)
