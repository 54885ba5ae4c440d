"""COMMIT is done and its answer is lost: what was committed counts once, for clients and for consumers."""

from __future__ import annotations

import asyncio

import pytest

from chaos.kit.points import Hop
from scenarios.harness.at_rest import at_rest
from scenarios.harness.client import item
from scenarios.harness.given import fresh_key
from scenarios.harness.stack import Stack

pytestmark = pytest.mark.needs("faults")


async def test_each_order_is_placed_exactly_once(own_stack: Stack) -> None:
    stack = own_stack
    lamp, ada = await stack.given.product(stock=100), await stack.given.user()
    lost = stack.faults.fail("sql.commit", hop=Hop.REPLY, process="order-api", times=2)

    answers = await asyncio.gather(
        *(stack.client.place(ada.id, [item(lamp.id)]) for _ in range(10))
    )
    await at_rest(stack)

    assert lost.injected
    lost.release()
    ids = [answer.ok(201).id for answer in answers]
    written = (await stack.client.orders()).ok().body["orders"]
    assert sorted(ids) == [order["id"] for order in written]
    assert (await stack.client.product(lamp.id)).ok().body["stock"] == 90


async def test_an_order_is_paid_once_and_answered_as_such(own_stack: Stack) -> None:
    stack = own_stack
    lamp = await stack.given.product()
    order = await stack.given.order({lamp.id: 1})
    stack.faults.fail("sql.commit", hop=Hop.REPLY, process="order-api")

    paid = (await stack.client.pay(order.id)).ok()
    await at_rest(stack)

    assert paid.body["status"] == "PAID"
    assert len(await stack.records("order.paid", order.id)) == 1


async def test_a_read_is_simply_asked_again(own_stack: Stack) -> None:
    stack = own_stack
    stack.faults.fail("sql.commit", hop=Hop.REPLY, process="order-api")

    refused = (await stack.client.orders()).ok(503)

    assert refused.problem == "unavailable"
    assert refused.headers["Retry-After"]
    (await stack.client.orders()).ok()


async def test_a_transaction_that_never_reached_the_store_is_done_again(own_stack: Stack) -> None:
    stack = own_stack
    lamp, ada = await stack.given.product(), await stack.given.user()
    stack.faults.fail("sql.commit", hop=Hop.REQUEST, process="order-api")

    refused = await stack.client.place(ada.id, [item(lamp.id)], key=(key := fresh_key()))
    assert refused.ok(503).problem == "unavailable"
    assert (await stack.client.orders()).ok().body["orders"] == []

    (await stack.client.place(ada.id, [item(lamp.id)], key=key)).ok(201)
    await at_rest(stack)
    assert len((await stack.client.orders()).ok().body["orders"]) == 1


async def test_stock_is_reserved_once(own_stack: Stack) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=10)
    lost = stack.faults.fail("sql.commit", hop=Hop.REPLY, process="product-consumer-lane")

    order = await stack.given.order({lamp.id: 4})
    await at_rest(stack)

    assert lost.injected == 1
    assert (await stack.client.product(lamp.id)).ok().body["stock"] == 6
    assert len(await stack.records("stock.reserved", order.id)) == 1
    assert await stack.letters("product-consumer") == []
