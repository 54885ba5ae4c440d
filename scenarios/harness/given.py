"""What a scenario begins with: users, products, orders, each fresh."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from itertools import count

from scenarios.harness.client import Answer, Client, item
from scenarios.harness.settled import eventually

_numbers = count(1)


class Given:
    """Makes what is needed over HTTP. Nothing is waited for: the views come to know it later."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def user(self, name: str = "Ada") -> Answer:
        email = fresh_email()
        return await _made(lambda: self._client.register(name, email))

    async def product(
        self, name: str = "Lamp", *, stock: int = 10, price: Decimal | int = Decimal("19.90")
    ) -> Answer:
        return await _made(lambda: self._client.offer(name, price, stock))

    async def order(self, quantities: Mapping[int, int], *, user_id: int | None = None) -> Answer:
        """An order of some of each product; by a user of its own, if none is named."""
        if user_id is None:
            user_id = (await self.user()).id
        of = user_id
        lines = [item(product_id, quantity) for product_id, quantity in quantities.items()]
        return await _made(lambda: self._client.place(of, lines))


async def _made(make: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask again while a busy store says that nothing was changed: it is no scenario's subject."""
    return (await eventually(make, lambda answer: answer.problem != "unavailable")).ok(201)


def fresh_email() -> str:
    """An address that no other user of this run has."""
    return f"ada{next(_numbers)}@example.com"


def fresh_key() -> str:
    """An Idempotency-Key that nobody used in this run."""
    return f"key-{next(_numbers)}"
