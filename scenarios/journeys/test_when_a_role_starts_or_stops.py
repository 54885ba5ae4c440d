"""A role is ready once it can work, and not before; asked to stop, it ends in time, whatever is away."""

from __future__ import annotations

import asyncio

import pytest

from chaos.kit.points import Point
from scenarios.conftest import StartStack
from scenarios.harness.at_rest import at_rest
from scenarios.harness.settled import eventually
from scenarios.harness.stack import ALL_ROLES, Stack, StackOptions

pytestmark = pytest.mark.needs("faults", "stops")

STOP_S = 10.0


@pytest.mark.parametrize(
    ("role", "call"),
    [
        ("query-consumer", "views.switch"),
        ("product-consumer", "log.poll"),
        ("user-consumer", "sql.begin"),
    ],
)
async def test_it_is_not_ready_before_it_can_work(stacks: StartStack, role: str, call: str) -> None:
    others = [name for name in ALL_ROLES if name != role]
    async with stacks(StackOptions(roles=[] if role == "query-consumer" else others)) as stack:
        held = stack.faults.hold(call, process=role, times=None)

        starting = asyncio.create_task(stack.start(role))
        await held.reached()
        for _ in range(20):
            await asyncio.sleep(0)
        assert not starting.done()

        held.release()
        await starting


async def test_it_finishes_what_is_in_hand(own_stack: Stack) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=10)
    held = stack.faults.hold("sql.commit", process="order-api")
    placing = asyncio.create_task(stack.given.order({lamp.id: 3}))
    await held.reached()

    stopping = asyncio.create_task(stack.stop("order-api"))
    await asyncio.sleep(0)
    assert not placing.done()
    held.release()

    order = await placing
    await stopping
    await stack.start("order-api")
    await at_rest(stack)
    assert (await stack.client.order(order.id)).ok().body["reservation"] == "reserved"


async def test_it_ends_in_time_also_with_every_store_away(own_stack: Stack) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=10)
    loop = asyncio.get_running_loop()

    order = await stack.given.order({lamp.id: 1})
    with stack.faults.outage("sql", "log", "views") as rules:

        async def all_injected() -> bool:
            return all(rule.injected for rule in rules)

        await eventually(all_injected)
        asked_at = loop.time()
        await asyncio.gather(*(stack.stop(role) for role in ALL_ROLES))
        assert loop.time() - asked_at < STOP_S

    await stack.end_leases()
    await asyncio.gather(*(stack.start(role) for role in ALL_ROLES))
    await at_rest(stack)
    assert (await stack.client.view_order(order.id)).ok().body["reservation"] == "reserved"


async def test_a_stopped_role_has_left_and_touches_no_store_any_more(own_stack: Stack) -> None:
    stack = own_stack
    await stack.settled()
    await stack.stop("product-consumer")
    before = _touches(stack, "product-consumer")
    lamp = await stack.given.product()
    await stack.given.order({lamp.id: 1})
    await stack.settled()
    assert _touches(stack, "product-consumer") == before


def _touches(stack: Stack, process: str) -> dict[Point, int]:
    return {
        point: times
        for point, times in stack.faults.seen.items()
        if point.process.startswith(process)
    }
