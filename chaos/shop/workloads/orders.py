"""The main road: orders of a hot product, paid, processed and canceled, while somebody reads."""

from __future__ import annotations

from chaos.kit.clients import Client
from chaos.kit.simulated.workload import Workload
from chaos.shop.workloads.given import ANVIL, BOB, BOLT, CLOCK, place
from chaos.shop.workloads.processes import PROCESSES


async def buys(client: Client) -> None:
    """Several lines of one product, paid and processed, and seen by who has done it."""
    id = await place(client, 101, (ANVIL, 2), (ANVIL, 1), (BOLT, 1))
    if id is None:
        return
    await client.see(f"/orders/{id}")
    await client.write("POST", f"/orders/{id}/pay", {"payment_method": "card"}, key=f"pay-{id}")
    await client.write("PUT", f"/orders/{id}", {"status": "PROCESSING"})
    await client.see(f"/orders/{id}")


async def changes_their_mind(client: Client) -> None:
    """Canceled again, perhaps before its stock was reserved."""
    id = await place(client, 102, (ANVIL, 3), user_id=BOB)
    await client.pause(0.0, 0.1)
    if id is not None:
        await client.write("POST", f"/orders/{id}/cancel", {"reason": "too heavy"})


async def pays_in_vain(client: Client) -> None:
    """Paid at once, for more than may be left: then the money is due back."""
    id = await place(client, 103, (ANVIL, 4), (CLOCK, 1), user_id=BOB)
    if id is not None:
        await client.write("POST", f"/orders/{id}/pay", {"payment_method": "cash"})
    await client.pause(0.05, 0.4)
    await client.read("/orders")


ORDERS = Workload(
    "orders",
    "Orders of a hot product: several lines of one, paid, processed, canceled, out of stock.",
    {
        "buyer": buys,
        "doubter": changes_their_mind,
        "payer": pays_in_vain,
    },
    processes=PROCESSES,
    begins_at_once=True,
)
