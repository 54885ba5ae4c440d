"""Two orders race for the last unit: exactly one gets it."""

from __future__ import annotations

import asyncio

from scenarios.harness.at_rest import at_rest
from scenarios.harness.stack import Stack

ROUNDS = 3


async def test_it_goes_to_exactly_one_of_them(stack: Stack) -> None:
    for _ in range(ROUNDS):
        lamp = await stack.given.product(stock=1)

        orders = await asyncio.gather(*(stack.given.order({lamp.id: 1}) for _ in range(2)))
        await at_rest(stack)

        written = [(await stack.client.order(order.id)).ok().body for order in orders]
        assert sorted(order["status"] for order in written) == ["CANCELED", "CREATED"]
        assert sorted(order["reservation"] for order in written) == ["rejected", "reserved"]
        assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 0
