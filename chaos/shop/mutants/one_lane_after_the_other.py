"""The relay sends one lane after the other, and waits for each until the log has taken it."""

from __future__ import annotations

import asyncio
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.delivery.relay import Relay


def _in_turn(reached: Reached, right: Any) -> Any:
    async def send(self: Any, *arguments: Any) -> None:
        turn = self.__dict__.setdefault("turn", asyncio.Lock())
        if turn.locked():
            reached()
        async with turn:
            await right(self, *arguments)

    return send


MUTANT = Mutant(
    bug="While one partition takes nothing, the events of all others wait for it.",
    breaks=("blocked_partitions_hold_up_no_other",),
    workloads=("orders",),
    switched_in=attribute(Relay, "_send", _in_turn),
    timed_faults=tuple(f"stall@order.created-{number}:0:9" for number in range(3)),
)
