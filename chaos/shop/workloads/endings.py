"""How orders end: canceled, deleted, out of stock; before, while and after their stock is reserved."""

from __future__ import annotations

from chaos.kit.clients import Client
from chaos.kit.simulated.workload import Workload
from chaos.shop.workloads.given import ANVIL, BOB, BOLT, CLOCK, DYNAMO, place
from chaos.shop.workloads.processes import PROCESSES


async def deletes_what_is_paid(client: Client) -> None:
    """At once, or a while later: perhaps before its stock is reserved."""
    id = await place(client, 202, (ANVIL, 1), (CLOCK, 2), user_id=BOB)
    if id is None:
        return
    await client.write("POST", f"/orders/{id}/pay", {"payment_method": "card"})
    if client.random.random() < 0.5:
        await client.pause(0.2, 0.6)
    await client.write("DELETE", f"/orders/{id}")


async def works_without_stock(client: Client) -> None:
    """Paid and in work before the answer of the stock, which is no."""
    id = await place(client, 203, (BOLT, 9))
    if id is None:
        return
    await client.write("POST", f"/orders/{id}/pay", {"payment_method": "card"})
    await client.write("PUT", f"/orders/{id}", {"status": "PROCESSING"})
    await client.write(
        "POST", f"/orders/{id}/cancel", {"reason": "too late, it is being worked on"}
    )


async def takes_away(client: Client) -> None:
    """The last order of a product is deleted, and the product at once with it."""
    id = await place(client, 205, (DYNAMO, 1))
    await client.pause(0.1, 0.3)
    if id is not None:
        await client.write("DELETE", f"/orders/{id}")
        await client.write("DELETE", f"/products/{DYNAMO}")


ENDINGS = Workload(
    "endings",
    "Orders canceled and deleted before and after their stock was reserved, paid and unpaid.",
    {
        "payer": deletes_what_is_paid,
        "clerk": works_without_stock,
        "leaver": takes_away,
    },
    processes=PROCESSES,
)
