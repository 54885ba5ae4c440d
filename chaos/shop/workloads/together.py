"""Commands that share a transaction, and Idempotency-Keys that are used again."""

from __future__ import annotations

import asyncio

from chaos.kit.clients import Client
from chaos.kit.simulated.workload import Workload
from chaos.shop.workloads.given import ANVIL, BOB, BOLT, CLOCK, order, place
from chaos.shop.workloads.processes import PROCESSES

NOBODY = 999


async def sends_twice(client: Client) -> None:
    """The same request twice at once, and once more later: one order, one answer."""
    body = order(401, (ANVIL, 1), (CLOCK, 1))
    await asyncio.gather(
        *(client.write("POST", "/orders", body, key="order-401") for _ in range(2))
    )
    await client.write("POST", "/orders", body, key="order-401")


async def reuses_a_key(client: Client) -> None:
    """A key stands for one body."""
    await place(client, 402, (BOLT, 1), key="order-402")
    await place(client, 403, (BOLT, 1), key="order-402")


async def is_refused(client: Client) -> None:
    """An order for nobody, in the middle of others: it harms none of them, nor uses its key up."""
    await place(client, 404, (ANVIL, 1), user_id=NOBODY, key="order-404")
    await place(client, 404, (ANVIL, 1), user_id=BOB, key="order-404")


async def orders_many(client: Client) -> None:
    ids = await asyncio.gather(
        *(place(client, 410 + number, (ANVIL, 1), (BOLT, 1)) for number in range(2))
    )
    body = {"payment_method": "card"}
    for id in (ids[0], *ids):
        if id is not None:
            await client.write("POST", f"/orders/{id}/pay", body, key="pay")


TOGETHER = Workload(
    "together",
    "Orders that share a transaction, one of them refused; Idempotency-Keys used again.",
    {
        "impatient": sends_twice,
        "careless": reuses_a_key,
        "stranger": is_refused,
        "many": orders_many,
    },
    processes=PROCESSES,
)
