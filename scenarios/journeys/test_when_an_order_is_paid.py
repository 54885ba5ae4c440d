"""An order is paid: the views say so, its stock stays reserved, and nobody can pay twice."""

from __future__ import annotations

from scenarios.harness.stack import Stack


async def test_it_shows_the_order_as_paid(stack: Stack) -> None:
    lamp = await stack.given.product(stock=10)
    order = await stack.given.order({lamp.id: 4})

    paid = (await stack.client.pay(order.id, "pix")).ok()
    await stack.settled()

    assert (paid.body["status"], paid.body["paid"]) == ("PAID", True)
    shown = (await stack.client.view_order(order.id)).ok().body
    assert (shown["status"], shown["paid"], shown["payment_method"]) == ("PAID", True, "pix")
    assert (shown["reservation"], shown["refund_due"]) == ("reserved", False)
    assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 6


async def test_it_stays_paid_while_it_is_processed(stack: Stack) -> None:
    lamp = await stack.given.product()
    order = await stack.given.order({lamp.id: 1})
    (await stack.client.pay(order.id)).ok()

    (await stack.client.set_status(order.id, "PROCESSING")).ok()
    await stack.settled()

    shown = (await stack.client.view_order(order.id)).ok().body
    assert (shown["status"], shown["paid"]) == ("PROCESSING", True)
    assert (await stack.client.pay(order.id)).ok(409).problem == "transition-forbidden"
    assert (await stack.client.set_status(order.id, "PROCESSING")).ok().body["paid"]
    assert len(await stack.events("order.updated", order.id)) == 1
    assert len(await stack.events("order.paid", order.id)) == 1
