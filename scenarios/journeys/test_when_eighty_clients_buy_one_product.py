"""Eighty clients buy one product at once: what is sold and what is left are what was there."""

from __future__ import annotations

import asyncio

from scenarios.harness.at_rest import at_rest
from scenarios.harness.stack import Stack

CLIENTS = 80
STOCK = 100


async def test_it_sells_all_of_it_and_no_more(stack: Stack) -> None:
    lamp = await stack.given.product(stock=STOCK)
    wanted = [1 + number % 3 for number in range(CLIENTS)]

    orders = await asyncio.gather(*(stack.given.order({lamp.id: some}) for some in wanted))
    await at_rest(stack)

    left = (await stack.client.product(lamp.id)).ok().body["stock"]
    sold = 0
    for order, quantity in zip(orders, wanted, strict=True):
        shown = (await stack.client.view_order(order.id)).ok().body
        is_sold = shown["reservation"] == "reserved"
        assert shown["status"] == ("CREATED" if is_sold else "CANCELED")
        sold += quantity if is_sold else 0
    assert sold + left == STOCK
    assert left < max(wanted), "someone was sent away who could have bought"
