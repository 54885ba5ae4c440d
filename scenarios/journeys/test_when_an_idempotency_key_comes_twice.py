"""A request comes twice with the same Idempotency-Key: it is done once, and answered twice."""

from __future__ import annotations

import asyncio

from scenarios.harness.at_rest import at_rest
from scenarios.harness.client import item
from scenarios.harness.given import fresh_email, fresh_key
from scenarios.harness.stack import Stack


async def orders_of(stack: Stack, user_id: int) -> list[int]:
    page = (await stack.client.orders(user_id=user_id)).ok().body["orders"]
    return [order["id"] for order in page]


async def test_it_places_one_order(stack: Stack) -> None:
    lamp, ada = await stack.given.product(stock=10), await stack.given.user()
    key = fresh_key()

    first = (await stack.client.place(ada.id, [item(lamp.id)], key=key)).ok(201)
    second = (await stack.client.place(ada.id, [item(lamp.id)], key=key)).ok(201)
    await at_rest(stack)

    assert second.body == first.body
    for header in ("Location", "Consistency-Token"):
        assert second.headers[header] == first.headers[header]
    assert await orders_of(stack, ada.id) == [first.id]
    assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 9


async def test_it_places_one_order_also_at_the_same_moment(stack: Stack) -> None:
    lamp, ada = await stack.given.product(stock=10), await stack.given.user()
    key = fresh_key()

    answers = await asyncio.gather(
        *(stack.client.place(ada.id, [item(lamp.id)], key=key) for _ in range(8))
    )
    await at_rest(stack)

    (id,) = {answer.ok(201).id for answer in answers}
    assert await orders_of(stack, ada.id) == [id]


async def test_it_registers_and_pays_once_at_the_same_moment(stack: Stack) -> None:
    key, email = fresh_key(), fresh_email()
    registered = await asyncio.gather(
        *(stack.client.register("Ada", email, key=key) for _ in range(4))
    )
    (user_id,) = {answer.ok(201).id for answer in registered}
    lamp = await stack.given.product()
    order = await stack.given.order({lamp.id: 1}, user_id=user_id)

    paid = await asyncio.gather(*(stack.client.pay(order.id, key=key) for _ in range(4)))
    await at_rest(stack)

    assert {answer.ok().body["status"] for answer in paid} == {"PAID"}
    assert len(await stack.events("order.paid", order.id)) == 1


async def test_another_request_with_the_key_is_refused(stack: Stack) -> None:
    lamp, ada = await stack.given.product(), await stack.given.user()
    key = fresh_key()
    first = (await stack.client.place(ada.id, [item(lamp.id, 1)], key=key)).ok(201)

    other = await stack.client.place(ada.id, [item(lamp.id, 2)], key=key)

    assert other.ok(422).problem == "key-reused"
    assert await orders_of(stack, ada.id) == [first.id]


async def test_of_two_orders_each_is_paid_with_it_and_answered_for_itself(stack: Stack) -> None:
    lamp, ada = await stack.given.product(stock=10), await stack.given.user()
    orders = [await stack.given.order({lamp.id: 1}, user_id=ada.id) for _ in range(2)]
    key = fresh_key()

    first = [(await stack.client.pay(order.id, key=key)).ok() for order in orders]
    second = [(await stack.client.pay(order.id, key=key)).ok() for order in orders]
    await at_rest(stack)

    assert [paid.id for paid in first] == [order.id for order in orders]
    assert [paid.body for paid in second] == [paid.body for paid in first]
    for order in orders:
        assert (await stack.client.order(order.id)).ok().body["status"] == "PAID"
        assert len(await stack.events("order.paid", order.id)) == 1


async def test_a_failure_leaves_the_key_free(stack: Stack) -> None:
    ada, lamp = await stack.given.user(), await stack.given.product()
    key = fresh_key()

    (await stack.client.place(ada.id, [item(2**40)], key=key)).ok(422)
    placed = (await stack.client.place(ada.id, [item(lamp.id)], key=key)).ok(201)

    assert await orders_of(stack, ada.id) == [placed.id]
