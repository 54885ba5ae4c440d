"""Many orders share a transaction, and one of them is bad: it alone is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from chaos.kit.points import Hop, Point
from scenarios.harness.at_rest import at_rest
from scenarios.harness.client import Answer, item
from scenarios.harness.stack import Stack

pytestmark = pytest.mark.needs("faults")

COMMIT = Point("order-api", "sql.commit", Hop.REQUEST)
MANY = 20
UNKNOWN = 4711


@dataclass(frozen=True)
class Together:
    answers: Sequence[Answer]
    transactions: int


async def place_together(stack: Stack, products: Sequence[int]) -> Together:
    """Place an order of each product, while a transaction ahead of them all is held up."""
    ada = await stack.given.user()
    first = stack.faults.hold("sql.commit", process="order-api")
    ahead = asyncio.create_task(stack.client.place(ada.id, [item(products[0])]))
    await first.reached()
    before = stack.faults.seen[COMMIT]
    together = [
        asyncio.create_task(stack.client.place(ada.id, [item(product)])) for product in products
    ]
    for _ in range(3):  # who is answered now has asked after them
        (await stack.client.ask("order-api", "GET", "/healthz")).ok()
    first.release()
    (await ahead).ok(201)
    answers = await asyncio.gather(*together)
    return Together(answers, stack.faults.seen[COMMIT] - before)


async def test_it_alone_is_refused(own_stack: Stack) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=100)
    products = [lamp.id] * MANY
    products[MANY // 2] = UNKNOWN

    placed = await place_together(stack, products)
    await at_rest(stack)

    assert placed.transactions < MANY / 2, "they did not share transactions"
    refused = placed.answers[MANY // 2]
    assert refused.ok(422).problem == "unknown-product"
    ids = {answer.ok(201).id for answer in placed.answers if answer is not refused}
    assert len(ids) == MANY - 1
    assert len((await stack.client.orders()).ok().body["orders"]) == MANY  # with the one ahead
    assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 100 - MANY


async def test_a_transaction_that_fails_harms_none_of_its_members(own_stack: Stack) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=100)
    first = stack.faults.hold("sql.commit", hop=Hop.REPLY, process="order-api")
    ada = await stack.given.user()
    ahead = asyncio.create_task(stack.client.place(ada.id, [item(lamp.id)]))
    await first.reached()
    failed = stack.faults.fail("sql.commit", process="order-api", times=1, error=RuntimeError)

    together = [
        asyncio.create_task(stack.client.place(ada.id, [item(lamp.id)])) for _ in range(MANY)
    ]
    for _ in range(3):
        (await stack.client.ask("order-api", "GET", "/healthz")).ok()
    first.release()
    answers = [await ahead, *await asyncio.gather(*together)]
    await at_rest(stack)

    assert failed.injected == 1
    assert len({answer.ok(201).id for answer in answers}) == MANY + 1
    assert len((await stack.client.orders()).ok().body["orders"]) == MANY + 1
