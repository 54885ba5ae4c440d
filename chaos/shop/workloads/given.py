"""What is there when a workload begins, and the words that its scripts are made of."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from chaos.kit.clients import Client
from chaos.kit.history import Op
from chaos.kit.simulated.workload import Script, Workload
from chaos.shop.workloads.processes import WITH_USERS

ADA, BOB, CARL = 1, 2, 3
"""Users. Nobody orders for Carl."""
ANVIL, BOLT, CLOCK, DYNAMO = 1, 2, 3, 4
"""Products: anvils are few, bolts fewer, clocks plenty, and nobody orders a dynamo."""
STOCK = {ANVIL: 5, BOLT: 3, CLOCK: 1_000, DYNAMO: 1}

_NAMES = {ANVIL: "Anvil", BOLT: "Bolt", CLOCK: "Clock", DYNAMO: "Dynamo"}


async def _set_up(client: Client) -> None:
    for name in ("Ada", "Bob", "Carl"):
        await client.write("POST", "/users", {"name": name, "email": f"{name}@example.com"})
    for id, name in _NAMES.items():
        await client.write(
            "POST", "/products", {"name": name, "price": Decimal("9.90"), "stock": STOCK[id]}
        )


SETTING_UP = Workload(
    "setting-up",
    "Users and products, before anything happens.",
    {"setup": _set_up},
    processes=WITH_USERS,
)


def order(
    marker: int, *lines: tuple[int, int], user_id: int = ADA
) -> dict[str, Any]:  # a JSON body
    """The body of an order; its marker is in its prices, so that it can be found again."""
    price = Decimal(marker).scaleb(-2)
    items = [
        {"product_id": product_id, "quantity": quantity, "unit_price": price}
        for product_id, quantity in lines
    ]
    return {"user_id": user_id, "items": items}


async def place(
    client: Client, marker: int, *lines: tuple[int, int], user_id: int = ADA, key: str | None = None
) -> int | None:
    """Place an order; its id, if the answer came."""
    op = await client.write("POST", "/orders", order(marker, *lines, user_id=user_id), key=key)
    return id_of(op)


def id_of(op: Op) -> int | None:
    return int(op.json["id"]) if op.ok else None


def reader(*paths: str, times: int = 6, every_s: float = 0.12) -> Script:
    """A client that looks at the same things again and again."""

    async def reading(client: Client) -> None:
        for _ in range(times):
            for path in paths:
                await client.read(path)
            await client.pause(every_s / 2, every_s)

    return reading
