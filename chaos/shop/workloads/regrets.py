"""Several orders of one product that end at once: what they hold comes back in batches."""

from __future__ import annotations

import asyncio

from chaos.kit.clients import Client
from chaos.kit.simulated.workload import Workload
from chaos.shop.workloads.given import CLOCK, place
from chaos.shop.workloads.processes import PROCESSES

ORDERS = 5
"""In three partitions: at least two of them share one."""


async def thinks_better_of_it(client: Client) -> None:
    """Perhaps before all of them are reserved."""
    ids = await asyncio.gather(*(place(client, 701 + more, (CLOCK, 2)) for more in range(ORDERS)))
    await client.pause(0.2, 0.8)
    reason = {"reason": "found it cheaper"}
    await asyncio.gather(
        *(
            client.write("POST", f"/orders/{id}/cancel", reason, key=f"cancel-{id}")
            for id in ids
            if id is not None
        )
    )


REGRETS = Workload(
    "regrets",
    "Several orders of one product, canceled at once: what they hold comes back in batches.",
    {"doubter": thinks_better_of_it},
    processes=PROCESSES,
)
