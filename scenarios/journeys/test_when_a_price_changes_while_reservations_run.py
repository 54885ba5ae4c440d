"""A product's price changes while its stock is being reserved: neither undoes the other."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from scenarios.harness.at_rest import at_rest
from scenarios.harness.stack import Stack

ORDERS = 20
PRICES = [Decimal(price) for price in ("11.00", "12.00", "13.00", "14.00")]


async def test_it_shows_the_new_price_and_the_right_stock(stack: Stack) -> None:
    lamp = await stack.given.product(stock=100, price=Decimal("10.00"))
    ada = await stack.given.user()

    async def change_prices() -> None:
        for price in PRICES:
            (await stack.client.change_product(lamp.id, price=price)).ok()

    placed, _ = await asyncio.gather(
        asyncio.gather(*(stack.given.order({lamp.id: 2}, user_id=ada.id) for _ in range(ORDERS))),
        change_prices(),
    )
    await at_rest(stack)

    for side in (await stack.client.product(lamp.id), await stack.client.view_product(lamp.id)):
        assert (side.ok().body["price"], side.body["stock"]) == (PRICES[-1], 100 - 2 * ORDERS)
    for order in placed:
        shown = (await stack.client.view_order(order.id)).ok().body
        (line,) = shown["items"]
        assert line["unit_price"] in [Decimal("10.00"), *PRICES]
        assert shown["total_amount"] == 2 * line["unit_price"]


async def test_it_keeps_the_price_that_the_customer_was_shown(stack: Stack) -> None:
    lamp = await stack.given.product(price=Decimal("10.00"))
    ada = await stack.given.user()
    (await stack.client.change_product(lamp.id, price=Decimal("99.00"))).ok()

    line = {"product_id": lamp.id, "quantity": 3, "unit_price": Decimal("10.00")}
    order = (await stack.client.place(ada.id, [line])).ok(201)
    await stack.settled()

    shown = (await stack.client.view_order(order.id)).ok().body
    assert shown["total_amount"] == Decimal("30.00")
