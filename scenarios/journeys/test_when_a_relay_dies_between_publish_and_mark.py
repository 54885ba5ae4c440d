"""A relay dies after the broker took its events and before it marked them: they come again, harmless."""

from __future__ import annotations

import pytest

from chaos.kit.points import Hop
from scenarios.harness.at_rest import at_rest
from scenarios.harness.stack import Stack

pytestmark = pytest.mark.needs("faults", "kills")


async def test_its_events_are_published_again_and_count_once(own_stack: Stack) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=10)
    held = stack.faults.hold("log.publish", hop=Hop.REPLY, process="order-consumer-relay")

    order = await stack.given.order({lamp.id: 3})
    await held.reached()
    await stack.kill("order-consumer")
    await stack.end_leases()
    await stack.start("order-consumer")
    await at_rest(stack)

    records = await stack.records("order.created", order.id)
    assert len(records) == 2
    assert records[0].message == records[1].message
    assert (await stack.client.product(lamp.id)).ok().body["stock"] == 7
    assert len(await stack.records("stock.reserved", order.id)) == 1


async def test_nothing_is_lost_when_it_dies_before_the_broker_has_them(own_stack: Stack) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=10)
    held = stack.faults.hold("log.publish", hop=Hop.REQUEST, process="order-consumer-relay")

    order = await stack.given.order({lamp.id: 3})
    await held.reached()
    await stack.kill("order-consumer")
    assert await stack.records("order.created", order.id) == []
    await stack.end_leases()
    await stack.start("order-consumer")
    await at_rest(stack)

    assert len(await stack.records("order.created", order.id)) == 1
    assert (await stack.client.view_order(order.id)).ok().body["reservation"] == "reserved"


async def test_an_acknowledgement_that_is_lost_only_repeats(own_stack: Stack) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=10)
    stack.faults.fail("log.publish", hop=Hop.REPLY, process="order-consumer-relay")

    order = await stack.given.order({lamp.id: 3})
    await at_rest(stack)

    assert len(await stack.records("order.created", order.id)) == 2
    assert (await stack.client.product(lamp.id)).ok().body["stock"] == 7
