"""An order was paid before the stock was asked, and there is none: canceled, and a refund is due."""

from __future__ import annotations

import pytest

from scenarios.harness.at_rest import at_rest
from scenarios.harness.stack import Stack
from system.products.model import OUT_OF_STOCK

pytestmark = pytest.mark.needs("stops")


@pytest.mark.parametrize("processed", [False, True])
async def test_it_is_canceled_and_marked_for_refund(own_stack: Stack, processed: bool) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=1)
    await stack.stop("product-consumer")
    order = await stack.given.order({lamp.id: 2})
    (await stack.client.pay(order.id)).ok()
    if processed:
        (await stack.client.set_status(order.id, "PROCESSING")).ok()

    await stack.start("product-consumer")
    await at_rest(stack)

    for side in (await stack.client.order(order.id), await stack.client.view_order(order.id)):
        body = side.ok().body
        assert (body["status"], body["cancel_reason"]) == ("CANCELED", OUT_OF_STOCK)
        assert (body["paid"], body["refund_due"]) == (True, True)
    (canceled,) = await stack.events("order.canceled", order.id)
    assert canceled["refund_due"]
    assert (await stack.client.product(lamp.id)).ok().body["stock"] == 1
