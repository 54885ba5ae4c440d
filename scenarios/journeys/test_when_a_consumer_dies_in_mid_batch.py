"""A consumer dies while it handles a batch, and comes back: each event has its effect exactly once."""

from __future__ import annotations

import asyncio

import pytest

from chaos.kit.points import Hop, Point
from scenarios.harness.at_rest import at_rest
from scenarios.harness.settled import eventually
from scenarios.harness.stack import Stack

pytestmark = pytest.mark.needs("faults", "kills")

ORDERS = 12


async def goes_on_polling(stack: Stack) -> None:
    """The lane is held, the poll loop is not: wait until it has been round, commits included."""
    polls = Point("product-consumer", "log.poll", Hop.REQUEST)
    before = stack.faults.seen[polls]

    async def rounds() -> int:
        return stack.faults.seen[polls] - before

    await eventually(rounds, lambda rounds: rounds >= 3)


@pytest.mark.parametrize(
    ("process", "call", "hop"),
    [
        pytest.param("product-consumer-lane", "sql.commit", Hop.REQUEST, id="before COMMIT"),
        pytest.param("product-consumer-lane", "sql.commit", Hop.REPLY, id="after COMMIT"),
        pytest.param("product-consumer", "log.commit", Hop.REQUEST, id="before the offset"),
        pytest.param("product-consumer", "log.commit", Hop.REPLY, id="after the offset"),
    ],
)
async def test_each_order_is_reserved_exactly_once(
    own_stack: Stack, process: str, call: str, hop: Hop
) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=100)
    held = stack.faults.hold(call, hop=hop, process=process)

    placing = asyncio.gather(*(stack.given.order({lamp.id: 1}) for _ in range(ORDERS)))
    await held.reached()
    if process.endswith("-lane"):
        await goes_on_polling(stack)  # an offset that is committed too early is by now
    await stack.kill("product-consumer")
    orders = await placing
    await stack.end_leases()
    await stack.start("product-consumer")
    await at_rest(stack)

    assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 100 - ORDERS
    for order in orders:
        assert len(await stack.events("stock.reserved", order.id)) == 1
    assert await stack.letters("product-consumer") == []


async def test_views_are_whole_when_the_query_consumer_dies(own_stack: Stack) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=100)
    held = stack.faults.hold("views.put", hop=Hop.REPLY, process="query-consumer")

    placing = asyncio.gather(*(stack.given.order({lamp.id: 1}) for _ in range(ORDERS)))
    await held.reached()
    await stack.kill("query-consumer")
    await placing
    await stack.start("query-consumer")
    await at_rest(stack)

    shown = (await stack.client.views("orders")).ok().body["orders"]
    assert [order["reservation"] for order in shown] == ["reserved"] * ORDERS
