"""Two of each consumer that matters: relays that give way to each other, groups that rebalance."""

from __future__ import annotations

from chaos.kit.clients import Client
from chaos.kit.simulated.workload import Workload
from chaos.shop.workloads.given import ANVIL, BOB, BOLT, CLOCK, place
from chaos.shop.workloads.processes import TWINS


async def changes_often(client: Client) -> None:
    """Several events of one key, one soon after the other."""
    for number in range(3):
        await client.write("PUT", f"/products/{CLOCK}", {"name": f"Clock {number}"})
        await client.pause(0.0, 0.05)


async def buys(client: Client) -> None:
    id = await place(client, 701, (ANVIL, 2), (BOLT, 1))
    if id is not None:
        await client.write("POST", f"/orders/{id}/pay", {"payment_method": "card"})


async def cancels(client: Client) -> None:
    id = await place(client, 702, (BOLT, 2), (CLOCK, 3), user_id=BOB)
    await client.pause(0.0, 0.3)
    if id is not None:
        await client.write("POST", f"/orders/{id}/cancel", {"reason": "too many"})


TWINS_AT_WORK = Workload(
    "twins",
    "Two product-consumers and two order-consumers share partitions and relay one outbox.",
    {"editor": changes_often, "buyer": buys, "canceler": cancels},
    processes=TWINS,
    begins_at_once=True,
)
