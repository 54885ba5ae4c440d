"""Prices and stock that are changed only as they were seen, by several at once, while orders take from it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from chaos.kit.clients import Client
from chaos.kit.simulated.workload import Script, Workload
from chaos.shop.workloads.given import ANVIL, CLOCK, place
from chaos.shop.workloads.processes import PROCESSES

TIMES_MAX = 4
"""So often one looks again who was told that it is not so any more."""


def _changes(product: int, change: Callable[[int], dict[str, Any]]) -> Script:
    async def as_seen(client: Client) -> None:
        for number in range(TIMES_MAX):
            seen = await client.look(f"/products/{product}")
            if not seen.ok:
                return
            await client.pause(0.0, 0.01)
            op = await client.write(
                "PUT",
                f"/products/{product}",
                change(number),
                if_match=seen.headers["ETag"],
            )
            if op.status != 412:
                return

    return as_seen


async def buys(client: Client) -> None:
    for number in range(3):
        await place(client, 901 + number, (ANVIL, 1), (CLOCK, 1))
        await client.pause(0.0, 0.02)


DEMANDS = Workload(
    "demands",
    "Prices and stock changed as they were seen, by several at once, while orders take from it.",
    {
        "first": _changes(ANVIL, lambda number: {"price": Decimal(10 + number)}),
        "second": _changes(ANVIL, lambda number: {"price": Decimal(20 + number)}),
        "warehouse": _changes(ANVIL, lambda number: {"stock": 30 + number}),
        "buyer": buys,
    },
    processes=PROCESSES,
)
