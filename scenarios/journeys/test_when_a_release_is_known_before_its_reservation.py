"""`stock.released` comes before `stock.reserved`: the late news changes nothing any more."""

from __future__ import annotations

import pytest

from scenarios.harness.at_rest import at_rest
from scenarios.harness.settled import eventually
from scenarios.harness.stack import Stack

pytestmark = pytest.mark.needs("faults")


async def test_the_order_stays_released_on_both_sides(own_stack: Stack) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=10)
    await stack.settled()
    held = stack.faults.hold("log.publish", process="product-consumer-relay", times=None)
    order = await stack.given.order({lamp.id: 3})
    await held.reached()
    (await stack.client.cancel(order.id)).ok()
    await eventually(lambda: stack.unsent("stock.released", order.id))

    async def noted() -> str:
        return str((await stack.client.order(order.id)).ok().body["reservation"])

    await stack.deliver_early("stock.released", order.id)
    await eventually(noted, lambda reservation: reservation == "released")
    held.release()
    await at_rest(stack)

    assert await stack.records("stock.reserved", order.id)
    assert await noted() == "released"
    assert (await stack.client.view_order(order.id)).ok().body["reservation"] == "released"
    assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 10
