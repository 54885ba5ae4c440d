"""A store is away for longer than all retries take: nothing is parked, everything arrives afterwards."""

from __future__ import annotations

import pytest

from scenarios.conftest import StartStack
from scenarios.harness.at_rest import at_rest
from scenarios.harness.fault_rules import FaultRule
from scenarios.harness.settled import eventually
from scenarios.harness.stack import QUICK, Stack, StackOptions

pytestmark = pytest.mark.needs("faults")

IMPATIENT = StackOptions(settings=QUICK.model_copy(update={"retry_delays_s": (0.001,)}))
"""Gives a message up after two attempts: an outage that counted as attempts would park it."""
LONG = 4
"""So many failed calls are more than all attempts there are."""

CONSUMERS = ("product-consumer", "order-consumer", "query-consumer")


async def lasts_long(*rules: FaultRule) -> None:
    async def injected() -> int:
        return sum(rule.injected for rule in rules)

    await eventually(injected, lambda count: count >= LONG)


async def arrives(stack: Stack, orders: int) -> None:
    """Everything is where it belongs, and no consumer has parked anything."""
    await at_rest(stack)
    shown = (await stack.client.views("orders")).ok().body["orders"]
    assert [order["reservation"] for order in shown] == ["reserved"] * orders
    for consumer in CONSUMERS:
        assert await stack.letters(consumer) == []


async def test_the_write_model(stacks: StartStack) -> None:
    async with stacks(IMPATIENT) as stack:
        lamp, ada = await stack.given.product(stock=10), await stack.given.user()
        with stack.faults.outage("sql", process="product-consumer-lane") as rules:
            await stack.given.order({lamp.id: 2}, user_id=ada.id)
            await lasts_long(*rules)
        await arrives(stack, orders=1)


async def test_the_write_model_for_commands_too(stacks: StartStack) -> None:
    async with stacks(IMPATIENT) as stack:
        lamp, ada = await stack.given.product(stock=10), await stack.given.user()
        await stack.given.order({lamp.id: 1}, user_id=ada.id)
        line = {"product_id": lamp.id, "quantity": 1}
        with stack.faults.outage("sql") as rules:
            refused = (await stack.client.place(ada.id, [line])).ok(503)
            assert refused.problem == "unavailable"
            assert refused.headers["Retry-After"]
            await lasts_long(*rules)
        await arrives(stack, orders=1)
        (await stack.client.place(ada.id, [line])).ok(201)
        await arrives(stack, orders=2)


async def test_the_log(stacks: StartStack) -> None:
    async with stacks(IMPATIENT) as stack:
        lamp = await stack.given.product(stock=10)
        with stack.faults.outage("log") as rules:
            for _ in range(3):
                await stack.given.order({lamp.id: 1})
            await lasts_long(*rules)
            assert (await stack.client.views("orders")).ok().body["orders"] == []
        await arrives(stack, orders=3)


async def test_the_views(stacks: StartStack) -> None:
    async with stacks(IMPATIENT) as stack:
        lamp = await stack.given.product(stock=10)
        with stack.faults.outage("views") as rules:
            await stack.given.order({lamp.id: 1})
            assert (await stack.client.views("orders")).ok(503).problem == "unavailable"
            await lasts_long(*rules)
        await arrives(stack, orders=1)


async def test_all_of_them_at_once(stacks: StartStack) -> None:
    async with stacks(IMPATIENT) as stack:
        lamp = await stack.given.product(stock=10)
        for _ in range(3):
            await stack.given.order({lamp.id: 1})
        with stack.faults.outage("sql", "log", "views") as rules:
            await lasts_long(*rules)
        await arrives(stack, orders=3)
