"""Stock is set by PUT while orders reserve it: what was held stays held, what is set is what is left."""

from __future__ import annotations

import asyncio

from scenarios.harness.at_rest import at_rest
from scenarios.harness.stack import Stack

ORDERS = 30
SETTINGS = (50, 40, 60)


async def test_it_adds_up_whatever_came_first(stack: Stack) -> None:
    lamp = await stack.given.product(stock=50)

    async def set_stock() -> None:
        for stock in SETTINGS:
            (await stack.client.change_product(lamp.id, stock=stock)).ok()

    await asyncio.gather(
        *(stack.given.order({lamp.id: 1}) for _ in range(ORDERS)),
        set_stock(),
    )
    await at_rest(stack)

    left = (await stack.client.product(lamp.id)).ok().body["stock"]
    assert SETTINGS[-1] - ORDERS <= left <= SETTINGS[-1]
    assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == left


async def test_it_does_not_take_back_what_orders_hold(stack: Stack) -> None:
    lamp = await stack.given.product(stock=10)
    order = await stack.given.order({lamp.id: 4})
    await stack.settled()

    (await stack.client.change_product(lamp.id, stock=0)).ok()
    (await stack.client.cancel(order.id)).ok()
    await at_rest(stack)

    assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 4
    (updated,) = await stack.events("product.updated", lamp.id)
    assert (updated["stock_change"], updated["product"]["stock"]) == (-6, 0)
