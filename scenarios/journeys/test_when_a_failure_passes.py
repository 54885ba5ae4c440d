"""A handler fails and then does not: its event has its effect once, and nothing is parked."""

from __future__ import annotations

import pytest

from scenarios.conftest import StartStack
from scenarios.harness.at_rest import at_rest
from scenarios.harness.faulty_handler import FaultyHandler, of_user
from scenarios.harness.stack import StackOptions
from system.events import OrderCreated

pytestmark = pytest.mark.needs("handlers")


async def test_it_has_its_effect_once_when_the_third_retry_succeeds(stacks: StartStack) -> None:
    faulty = FaultyHandler(OrderCreated, "product-consumer")
    async with stacks(StackOptions(table=faulty.table())) as stack:
        ada, lamp = await stack.given.user(), await stack.given.product(stock=10)
        faulty.fail(of_user(ada.id), times=3)

        order = await stack.given.order({lamp.id: 4}, user_id=ada.id)
        await at_rest(stack)

        assert faulty.attempts[order.id] == 4
        assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 6
        assert len(await stack.records("stock.reserved", order.id)) == 1
        assert await stack.letters("product-consumer") == []
