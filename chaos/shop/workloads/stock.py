"""Stock set by hand while orders take from it; new names, new prices, products and users that go."""

from __future__ import annotations

from decimal import Decimal

from chaos.kit.clients import Client
from chaos.kit.simulated.workload import Workload
from chaos.shop.workloads.given import ANVIL, BOB, CARL, CLOCK, DYNAMO, place
from chaos.shop.workloads.processes import WITH_USERS


async def fills_the_shelf(client: Client) -> None:
    await client.write("PUT", f"/products/{ANVIL}", {"stock": 9})
    await client.pause(0.0, 0.3)
    await client.write("PUT", f"/products/{ANVIL}", {"stock": 2})
    await client.see(f"/products/{ANVIL}")


async def renames(client: Client) -> None:
    await client.write("PUT", f"/products/{ANVIL}", {"price": Decimal("12.50")})
    await client.write("PUT", f"/products/{ANVIL}", {"name": "Anvil, large"})
    await client.write("PUT", f"/users/{BOB}", {"name": "Bobby"})


async def cleans_up(client: Client) -> None:
    """Removes what nobody needs, and is refused what somebody does."""
    await client.write("DELETE", f"/products/{DYNAMO}")
    await client.write("DELETE", f"/users/{CARL}")
    await client.pause(0.1, 0.4)
    await client.write("DELETE", f"/products/{ANVIL}")
    await client.read("/products")


async def orders_twice(client: Client) -> None:
    await place(client, 301, (ANVIL, 2), (CLOCK, 1), user_id=BOB)
    await client.pause(0.0, 0.2)
    await place(client, 302, (ANVIL, 3), user_id=BOB)
    await client.read("/orders")


STOCK_CHANGES = Workload(
    "stock",
    "Stock set by hand while orders take from it; renames, prices, deleted products and users.",
    {
        "warehouse": fills_the_shelf,
        "editor": renames,
        "cleaner": cleans_up,
        "buyer": orders_twice,
    },
    processes=WITH_USERS,
)
