"""An order is canceled: its stock comes back, and it is not canceled once more."""

from __future__ import annotations

from scenarios.harness.stack import Stack


async def test_it_gives_the_stock_back(stack: Stack) -> None:
    lamp, shade = await stack.given.product(stock=10), await stack.given.product(stock=2)
    order = await stack.given.order({lamp.id: 3, shade.id: 2})
    await stack.settled()

    (await stack.client.cancel(order.id, "too dark")).ok()
    await stack.settled()

    for product, stock in ((lamp, 10), (shade, 2)):
        assert (await stack.client.product(product.id)).ok().body["stock"] == stock
        assert (await stack.client.view_product(product.id)).ok().body["stock"] == stock
    written = (await stack.client.order(order.id)).ok().body
    shown = (await stack.client.view_order(order.id)).ok().body
    for side in (written, shown):
        assert (side["status"], side["cancel_reason"]) == ("CANCELED", "too dark")
        assert (side["reservation"], side["refund_due"]) == ("released", False)


async def test_it_cannot_be_canceled_twice_nor_be_paid_any_more(stack: Stack) -> None:
    lamp = await stack.given.product(stock=10)
    order = await stack.given.order({lamp.id: 3})
    (await stack.client.cancel(order.id)).ok()

    assert (await stack.client.cancel(order.id)).ok(409).problem == "transition-forbidden"
    assert (await stack.client.pay(order.id)).ok(409).problem == "transition-forbidden"
    await stack.settled()

    assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 10


async def test_it_is_not_for_the_client_to_cancel_what_is_processed(stack: Stack) -> None:
    lamp = await stack.given.product(stock=10)
    order = await stack.given.order({lamp.id: 3})
    (await stack.client.set_status(order.id, "PROCESSING")).ok()

    assert (await stack.client.cancel(order.id)).ok(409).problem == "transition-forbidden"
    await stack.settled()

    shown = (await stack.client.view_order(order.id)).ok().body
    assert (shown["status"], shown["reservation"]) == ("PROCESSING", "reserved")
    assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 7


async def test_a_deleted_order_gives_its_stock_back_and_leaves_the_views(stack: Stack) -> None:
    lamp = await stack.given.product(stock=10)
    order = await stack.given.order({lamp.id: 3})
    (await stack.client.pay(order.id)).ok()
    await stack.settled()

    (await stack.client.delete_order(order.id)).ok(204)
    await stack.settled()

    assert (await stack.client.order(order.id)).status == 404
    assert (await stack.client.view_order(order.id)).status == 404
    assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 10
    (deleted,) = await stack.events("order.deleted", order.id)
    assert deleted["refund_due"]
