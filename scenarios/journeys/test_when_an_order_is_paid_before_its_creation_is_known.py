"""`order.paid` comes before `order.created`: the order is not shown by halves, and then as paid."""

from __future__ import annotations

import pytest

from scenarios.harness.at_rest import at_rest
from scenarios.harness.stack import Stack

pytestmark = pytest.mark.needs("stops")


async def test_it_waits_unseen_and_is_then_shown_as_paid(own_stack: Stack) -> None:
    stack = own_stack
    lamp = await stack.given.product()
    await stack.stop("order-consumer")  # and with it the relay of orders
    order = await stack.given.order({lamp.id: 1})
    (await stack.client.pay(order.id)).ok()

    await stack.deliver_early("order.paid", order.id)
    await stack.settled()
    early = await stack.document("orders", order.id)
    assert early is not None
    assert early.versions["self"] == 2
    assert (await stack.client.view_order(order.id)).status == 404
    assert (await stack.client.views("orders")).ok().body["orders"] == []

    await stack.start("order-consumer")
    await at_rest(stack)
    shown = (await stack.client.view_order(order.id)).ok().body
    assert (shown["status"], shown["paid"], shown["user_name"]) == ("PAID", True, "Ada")
