"""A product goes while events of an order of it are still under way: it has nothing, and takes nothing."""

from __future__ import annotations

import pytest

from scenarios.harness.at_rest import at_rest
from scenarios.harness.stack import Stack

pytestmark = pytest.mark.needs("stops")


async def test_an_order_of_it_is_rejected_and_parks_nothing(own_stack: Stack) -> None:
    stack = own_stack
    lamp, shade = await stack.given.product(stock=10), await stack.given.product(stock=10)
    await stack.stop("order-consumer")
    order = await stack.given.order({lamp.id: 3, shade.id: 1})
    (await stack.client.delete_order(order.id)).ok(204)
    (await stack.client.delete_product(lamp.id)).ok(204)

    await stack.deliver_early("order.created", order.id)
    await stack.settled()
    (rejected,) = await stack.events("stock.rejected", order.id)
    assert rejected["missing"] == [{"product_id": lamp.id, "wanted": 3, "left": 0}]
    assert (await stack.client.product(shade.id)).ok().body["stock"] == 10

    await stack.start("order-consumer")
    await at_rest(stack)
    assert await stack.letters("product-consumer") == []


async def test_an_order_that_held_some_of_it_gives_the_rest_back(own_stack: Stack) -> None:
    stack = own_stack
    lamp, shade = await stack.given.product(stock=10), await stack.given.product(stock=10)
    order = await stack.given.order({lamp.id: 3, shade.id: 1})
    await stack.settled()
    await stack.stop("product-consumer")
    (await stack.client.delete_order(order.id)).ok(204)
    (await stack.client.delete_product(lamp.id)).ok(204)

    await stack.start("product-consumer")
    await at_rest(stack)

    assert (await stack.client.product(shade.id)).ok().body["stock"] == 10
    assert (await stack.client.view_product(lamp.id)).status == 404
    (released,) = await stack.events("stock.released", order.id)
    assert released["product_id"] == shade.id
    assert await stack.letters("product-consumer") == []
