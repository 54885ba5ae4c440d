"""A message cannot be read: it is parked at once with its facts, and its neighbours go on."""

from __future__ import annotations

from base64 import b64decode

import pytest

from scenarios.harness.at_rest import at_rest
from scenarios.harness.settled import eventually
from scenarios.harness.stack import Stack
from system.kit.ports.log import Message

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
        Message("order.created", good.key, good.value, (("schema-version", b"0"),)),
    )
    await at_rest(stack)

    assert len(await stack.letters("product-consumer")) == 3
    assert (await stack.client.product(lamp.id)).ok().body["stock"] == 99


async def test_it_is_parked_at_once_also_after_the_views_were_rebuilt(
    own_stack: Stack, poison: list[Message]
) -> None:
    stack = own_stack
    await stack.deliver(poison[0])
    await stack.settled()
    (await stack.client.rebuild()).ok(202)
    await eventually(stack.client.rebuild_progress, lambda seen: seen.body["building"] is None)

    await stack.deliver(*poison)
    lamp = await stack.given.product()
    orders = [await stack.given.order({lamp.id: 1}) for _ in range(3)]
    await at_rest(stack)

    assert len(await stack.letters("query-consumer")) == 1 + len(poison)
    for order in orders:
        (await stack.client.view_order(order.id)).ok()


@pytest.mark.parametrize(
    ("valid", "invalid"),
    [
        (b'"total_amount":', b'"total_amount":1e9999999999999999999,"was":'),
        (b'"occurred_at":', b'"occurred_at":"0001-01-01T00:00:00+01:00","was":'),
        (b'"product_names":', b'"product_names":[],"was":'),
    ],
    ids=["a number beyond all bounds", "a time before all times", "an order without names"],
)
async def test_it_is_poison_also_when_no_arithmetic_or_view_could_bear_it(
    own_stack: Stack, valid: bytes, invalid: bytes
) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=100)
    order = await stack.given.order({lamp.id: 1})
    await stack.settled()
    (record,) = await stack.records("order.created", order.id)
    assert valid in record.message.value
    bad = record.message.value.replace(valid, invalid, 1)

    await stack.deliver(Message("order.created", record.message.key, bad, record.message.headers))
    await at_rest(stack)

    for consumer in ("product-consumer", "query-consumer"):
        assert len(await stack.letters(consumer)) == 1


async def test_it_is_parked_also_when_it_calls_itself_resolved(
    own_stack: Stack, poison: list[Message]
) -> None:
    stack = own_stack
    spoof = (("dead-letter-resolution", b"purged"), ("dead-letter-id", b"x"))
    await stack.deliver(Message("order.created", poison[0].key, GARBAGE, spoof))
    await stack.settled()

    (letter,) = await stack.letters("product-consumer")
    whole = (await stack.client.letter("product-consumer", letter["id"])).ok().body
    assert {"name": "dead-letter-resolution", "value": "purged"} in whole["headers"]
