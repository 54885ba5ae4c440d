"""Views rebuilt while orders come in and readers read."""

from __future__ import annotations

import asyncio

from chaos.kit.clients import Client
from chaos.kit.simulated.parts import Cluster
from chaos.kit.simulated.workload import Workload
from chaos.shop.workloads.dead_letters import POISON
from chaos.shop.workloads.given import ANVIL, BOLT, CLOCK, place, reader
from chaos.shop.workloads.processes import PROCESSES


async def buys(client: Client) -> None:
    id = await place(client, 601, (ANVIL, 1), (BOLT, 1))
    if id is None:
        return
    await client.pause(0.3, 0.6)
    await client.write("POST", f"/orders/{id}/pay", {"payment_method": "card"})
    await client.see(f"/orders/{id}")


async def deletes(client: Client) -> None:
    id = await place(client, 602, (ANVIL, 2))
    await client.pause(0.8, 1.2)
    if id is not None:
        await client.write("DELETE", f"/orders/{id}")
        await client.write("PUT", f"/products/{BOLT}", {"name": "Bolt, long"})


async def renames(client: Client) -> None:
    """Waits with a token, again and again, also across the switch."""
    for number in range(6):
        await client.write("PUT", f"/products/{CLOCK}", {"name": f"Clock {number}"})
        await client.see(f"/products/{CLOCK}")
        await client.pause(0.1, 0.3)


async def rebuilds(client: Client) -> None:
    await client.pause(0.5, 0.9)
    await client.operate("query-consumer", "POST", "/admin/rebuild")


async def rebuilds_twice(client: Client) -> None:
    for _ in range(2):
        await rebuilds(client)


async def resolves(client: Client) -> None:
    """Purges what is parked, also while a rebuild is under way."""
    for _ in range(3):
        await client.pause(0.4, 0.8)
        page = await client.operate("query-consumer", "GET", "/admin/dead-letters")
        ids = [letter["id"] for letter in page.json["dead_letters"]]
        if ids:
            await client.operate(
                "query-consumer", "POST", "/admin/dead-letters/purge", {"ids": ids}
            )


async def poison_now_and_then(cluster: Cluster) -> None:
    """Before a rebuild and during it: what the live views park, and what they have yet to park."""
    for message in (*POISON, *POISON):
        await cluster.deliver(message)
        await asyncio.sleep(0.25)


REBUILD_WITH_LETTERS = Workload(
    "rebuild-with-dead-letters",
    "The views are rebuilt while messages come that nobody can read, and dead letters are purged.",
    {
        "buyer": buys,
        "editor": renames,
        "operator": rebuilds_twice,
        "purger": resolves,
        "reader": reader("/orders", f"/products/{ANVIL}", times=4, every_s=0.5),
    },
    processes=PROCESSES,
    inject=poison_now_and_then,
)
REBUILD = Workload(
    "rebuild",
    "The views are rebuilt while orders come in and readers read.",
    {
        "buyer": buys,
        "deleter": deletes,
        "editor": renames,
        "operator": rebuilds,
        "reader": reader("/orders", f"/products/{ANVIL}", times=4, every_s=0.5),
    },
    processes=PROCESSES,
    begins_at_once=True,
    builds_views=True,
)
