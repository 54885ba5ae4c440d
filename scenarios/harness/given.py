"""What a scenario begins with: users, products, orders, each fresh."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from itertools import count

from scenarios.harness.client import Answer, Client, item

_numbers = count(1)


class Given:
    """Makes what is needed over HTTP. Nothing is waited for: the views come to know it later."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def user(self, name: str = "Ada") -> Answer:
        return (await self._client.register(name, fresh_email())).ok(201)

    async def product(
        self, name: str = "Lamp", *, stock: int = 10, price: Decimal | int = Decimal("19.90")
    ) -> Answer:
        return (await self._client.offer(name, price, stock)).ok(201)

    async def order(self, quantities: Mapping[int, int], *, user_id: int | None = None) -> Answer:
        """An order of some of each product; by a user of its own, if none is named."""
        if user_id is None:
            user_id = (await self.user()).id
        lines = [item(product_id, quantity) for product_id, quantity in quantities.items()]
        return (await self._client.place(user_id, lines)).ok(201)


def fresh_email() -> str:
    """An address that no other user of this run has."""
    return f"ada{next(_numbers)}@example.com"


def fresh_key() -> str:
    """An Idempotency-Key that nobody used in this run."""
    return f"key-{next(_numbers)}"
