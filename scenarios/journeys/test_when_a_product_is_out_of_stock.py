"""There is too little: the order is canceled with the reason, and the stock is untouched."""

from __future__ import annotations

from scenarios.harness.stack import Stack
from system.products.model import OUT_OF_STOCK


async def test_it_cancels_the_order_with_the_reason(stack: Stack) -> None:
    lamp = await stack.given.product(stock=2)
    order = await stack.given.order({lamp.id: 3})

    await stack.settled()

    for side in (await stack.client.order(order.id), await stack.client.view_order(order.id)):
        assert side.ok().body["status"] == "CANCELED"
        assert side.body["cancel_reason"] == OUT_OF_STOCK
        assert (side.body["reservation"], side.body["refund_due"]) == ("rejected", False)


async def test_it_leaves_the_stock_untouched_and_says_what_was_missing(stack: Stack) -> None:
    lamp = await stack.given.product(stock=2)
    order = await stack.given.order({lamp.id: 3})

    await stack.settled()

    for side in (await stack.client.product(lamp.id), await stack.client.view_product(lamp.id)):
        assert side.ok().body["stock"] == 2
    (rejected,) = await stack.events("stock.rejected", order.id)
    assert rejected["missing"] == [{"product_id": lamp.id, "wanted": 3, "left": 2}]


async def test_it_keeps_the_reason_of_a_client_who_was_faster(stack: Stack) -> None:
    lamp = await stack.given.product(stock=0)
    order = await stack.given.order({lamp.id: 1})
    canceled = await stack.client.cancel(order.id, "too slow")

    await stack.settled()

    reason = (await stack.client.order(order.id)).ok().body["cancel_reason"]
    assert reason == ("too slow" if canceled.status == 200 else OUT_OF_STOCK)
    assert len(await stack.events("order.canceled", order.id)) == 1
