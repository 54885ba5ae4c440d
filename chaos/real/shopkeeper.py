"""The shopkeeper: sets prices and stock, and has the views built anew, while shoppers shop.

There is one of them, and it does one thing after the other: so what it set last is what must be
shown in the end. It looks at its shelves after each change, and may not see anything go back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

from chaos.kit.clients import Client
from chaos.kit.history import Op
from chaos.real.shoppers import PLENTY, PRODUCTS, World
from system.kit.http.headers import CONSISTENCY_TOKEN

PAUSE_S = (0.3, 1.5)
QUERY_CONSUMER = "query-consumer"
REBUILD = "/admin/rebuild"

ON_DISPLAY = PRODUCTS
"""The place of a product that nobody orders: its stock is what was set last."""
RESTOCKED = 1
"""The place of one that is ordered while its stock is set: the rows and events tell if it is right."""
ACTS = {"price": 5, "stock": 3, "restock": 2, "rebuild": 2}


class Shopkeeper:
    """Acts until the shop is closed."""

    def __init__(self, world: World, client: Client) -> None:
        self._world = world
        self._client = client
        self._count = 0

    async def keep(self, is_closed: Callable[[], bool]) -> None:
        while not is_closed():
            (act,) = self._client.random.choices(list(ACTS), list(ACTS.values()))
            await self._act(act)
            await asyncio.sleep(self._client.random.uniform(*PAUSE_S))

    async def _act(self, act: str) -> None:
        self._count += 1
        match act:
            case "price":
                place = self._client.random.randrange(PRODUCTS)
                await self._set(place, {"price": Decimal(1_000 + self._count).scaleb(-2)})
            case "stock":
                await self._set(ON_DISPLAY, {"stock": self._count})
            case "restock":
                await self._set(RESTOCKED, {"stock": PLENTY + self._count})
            case _:
                await self._client.ask(QUERY_CONSUMER, "POST", REBUILD)

    async def _set(self, place: int, change: dict[str, Any]) -> None:
        changed = await self._client.write(
            "PUT", f"/products/{self._world.products[place]}", change
        )
        token = changed.headers.get(CONSISTENCY_TOKEN) if changed.ok else None
        await self._client.read("/products", token=token)


async def look_at_the_rebuild(client: Client, *, within_s: float) -> Op | None:
    """What became of the last rebuild, once the query side says; None: it did not say."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while not (op := await client.ask(QUERY_CONSUMER, "GET", REBUILD)).ok:
                await asyncio.sleep(client.random.uniform(*PAUSE_S))
            return op
    return None
