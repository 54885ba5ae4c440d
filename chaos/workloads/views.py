"""Views rebuilt while orders come in and readers read."""

from __future__ import annotations

from chaos.simulated.clients import Client
from chaos.workloads.given import ANVIL, BOLT, CLOCK, place, reader
from chaos.workloads.workload import Workload


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
    begins_at_once=True,
    builds_views=True,
)
