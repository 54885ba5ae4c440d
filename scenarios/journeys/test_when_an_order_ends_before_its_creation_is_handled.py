"""An order is canceled or deleted, and the stock hears of that first: nothing is ever reserved."""

from __future__ import annotations

import pytest

from scenarios.harness.at_rest import at_rest
from scenarios.harness.stack import Stack
from system.products.model import ORDER_ENDED

pytestmark = pytest.mark.needs("stops")


async def test_a_canceled_one_reserves_nothing(own_stack: Stack) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=10)
    await stack.stop("order-consumer")
    order = await stack.given.order({lamp.id: 3})
    (await stack.client.cancel(order.id, "too dark")).ok()

    await stack.deliver_early("order.canceled", order.id)
    await stack.settled()
    await stack.start("order-consumer")
    await at_rest(stack)

    assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 10
    shown = (await stack.client.view_order(order.id)).ok().body
    assert (shown["status"], shown["cancel_reason"]) == ("CANCELED", "too dark")
    assert shown["reservation"] == "rejected"
    (rejected,) = await stack.events("stock.rejected", order.id)
    assert rejected["reason"] == ORDER_ENDED
    assert await stack.events("stock.reserved", order.id) == []


async def test_a_deleted_one_reserves_nothing(own_stack: Stack) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=10)
    await stack.stop("order-consumer")
    order = await stack.given.order({lamp.id: 3})
    (await stack.client.delete_order(order.id)).ok(204)

    await stack.deliver_early("order.deleted", order.id)
    await stack.settled()
    await stack.start("order-consumer")
    await at_rest(stack)

    assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 10
    assert await stack.events("stock.reserved", order.id) == []
    assert (await stack.client.view_order(order.id)).status == 404
    assert await stack.letters("product-consumer") == []
