"""The relay sends all rows at once, each in a request of its own."""

from __future__ import annotations

import asyncio
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.delivery.relay import Relay


def _pipelined(reached: Reached, _: Any) -> Any:
    async def publish(self: Any, rows: list[Any]) -> list[int]:
        if len(rows) > 1:
            reached()
        log = self._parts.log
        results = await asyncio.gather(*(log.publish([row.message]) for row in rows))
        return [row.id for row, (error,) in zip(rows, results, strict=True) if error is None]

    return publish


MUTANT = Mutant(
    bug="Sends overtake each other: two events of one key enter the log in the wrong order.",
    breaks=("order_per_key",),
    workloads=("orders", "twins"),
    switched_in=attribute(Relay, "_publish", _pipelined),
)
