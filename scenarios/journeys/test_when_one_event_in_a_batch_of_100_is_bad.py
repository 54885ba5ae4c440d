"""One of a hundred events that share transactions is bad: 99 have their effect, one is parked."""

from __future__ import annotations

import asyncio

import pytest

from scenarios.conftest import StartStack
from scenarios.harness.at_rest import at_rest
from scenarios.harness.faulty_handler import FaultyHandler, of_user
from scenarios.harness.stack import StackOptions
from system.events import OrderCreated

pytestmark = pytest.mark.needs("handlers", "stops")


async def test_it_alone_is_parked(stacks: StartStack) -> None:
    faulty = FaultyHandler(OrderCreated, "product-consumer")
    async with stacks(StackOptions(table=faulty.table())) as stack:
        lamp = await stack.given.product(stock=1000)
        ada, eve = await stack.given.user("Ada"), await stack.given.user("Eve")
        faulty.fail(of_user(eve.id))
        await stack.stop("product-consumer")  # so that its batches are large when it comes back
        good = await asyncio.gather(
            *(stack.given.order({lamp.id: 1}, user_id=ada.id) for _ in range(50)),
        )
        bad = await stack.given.order({lamp.id: 1}, user_id=eve.id)
        good += await asyncio.gather(
            *(stack.given.order({lamp.id: 1}, user_id=ada.id) for _ in range(49)),
        )
        await stack.settled()

        await stack.start("product-consumer")
        await stack.settled()

        assert max(faulty.batches) > 10, "the events did not share transactions"
        (letter,) = await stack.letters("product-consumer")
        assert (letter["key"], letter["attempts"]) == (str(bad.id), 6)
        assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 1000 - 99
        for order in good:
            shown = (await stack.client.view_order(order.id)).ok().body
            assert shown["reservation"] == "reserved"

        faulty.pass_over()
        (await stack.client.replay("product-consumer", [letter["id"]])).ok()
        await at_rest(stack)
        assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 1000 - 100
