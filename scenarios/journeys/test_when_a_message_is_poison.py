"""A message cannot be read: it is parked at once with its facts, and its neighbours go on."""

from __future__ import annotations

from base64 import b64decode

import pytest

from scenarios.harness.at_rest import at_rest
from scenarios.harness.stack import Stack
from system.ports.log import Message

GARBAGE = b'{"event_id": "half an ev'
KEYS = (b"poison e", b"poison a", b"poison d")
"""One for each partition."""


@pytest.fixture
def poison() -> list[Message]:
    """One in each partition of order.created, so that any order stands behind one of them."""
    return [Message("order.created", key, GARBAGE, (("origin", b"elsewhere"),)) for key in KEYS]


async def test_it_is_parked_at_once_by_each_consumer_that_reads_it(
    own_stack: Stack, poison: list[Message]
) -> None:
    stack = own_stack
    await stack.deliver(*poison)
    await stack.settled()

    for consumer in ("product-consumer", "query-consumer"):
        letters = await stack.letters(consumer)
        assert len(letters) == len(poison)
        assert {letter["attempts"] for letter in letters} == {1}
        assert {letter["error_type"] for letter in letters} == {"Poison"}


async def test_it_keeps_the_message_as_it_was(own_stack: Stack, poison: list[Message]) -> None:
    stack = own_stack
    await stack.deliver(poison[0])
    await stack.settled()

    (letter,) = await stack.letters("product-consumer")
    whole = (await stack.client.letter("product-consumer", letter["id"])).ok().body
    assert b64decode(whole["value_base64"]) == GARBAGE
    assert b64decode(whole["key_base64"]) == poison[0].key
    assert {"name": "origin", "value": "elsewhere"} in whole["headers"]


async def test_its_neighbours_go_on(own_stack: Stack, poison: list[Message]) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=100)

    orders = []
    for _ in range(6):
        await stack.deliver(*poison)
        orders.append(await stack.given.order({lamp.id: 1}))
    await at_rest(stack)

    for order in orders:
        assert (await stack.client.order(order.id)).ok().body["reservation"] == "reserved"
    assert len(await stack.letters("product-consumer")) == 6 * len(poison)


async def test_it_is_poison_also_when_it_says_what_it_is_not(own_stack: Stack) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=100)
    order = await stack.given.order({lamp.id: 1})
    await stack.settled()
    (record,) = await stack.records("order.created", order.id)
    good = record.message

    await stack.deliver(
        Message("order.created", b"77", good.value, good.headers),  # another key than the event's
        Message("order.canceled", good.key, good.value, good.headers),  # another topic
        Message("order.created", good.key, good.value, (("schema-version", b"99"),)),
    )
    await at_rest(stack)

    assert len(await stack.letters("product-consumer")) == 3
    assert (await stack.client.product(lamp.id)).ok().body["stock"] == 99
