"""The system is stopped or killed, and starts again with its data directory: nothing is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from scenarios.conftest import StartStack
from scenarios.harness.at_rest import at_rest
from scenarios.harness.client import Answer, NoAnswer, item
from scenarios.harness.stack import ALL_ROLES, StackOptions

pytestmark = pytest.mark.needs("data", "kills")


async def test_everything_is_there_after_a_stop(stacks: StartStack, tmp_path: Path) -> None:
    options = StackOptions(data=tmp_path)
    async with stacks(options) as stack:
        ada, lamp = await stack.given.user("Ada Lovelace"), await stack.given.product(stock=10)
        order = await stack.given.order({lamp.id: 3}, user_id=ada.id)
        (await stack.client.pay(order.id)).ok()
        await stack.settled()
        before = (await stack.client.view_order(order.id)).ok().body
        told = len(await stack.records("order.created"))
        for role in ALL_ROLES:
            await stack.stop(role)

    async with stacks(options) as stack:
        await at_rest(stack)
        assert (await stack.client.view_order(order.id)).ok().body == before
        assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 7
        assert len(await stack.records("order.created")) == told
        later = await stack.given.order({lamp.id: 2}, user_id=ada.id)
        assert later.id > order.id
        await at_rest(stack)
        assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 5


async def test_whatever_was_acknowledged_is_there_after_a_kill(
    stacks: StartStack, tmp_path: Path
) -> None:
    options = StackOptions(data=tmp_path)
    placed: list[Answer] = []
    async with stacks(options) as stack:
        ada, lamp = await stack.given.user(), await stack.given.product(stock=1000)

        async def shop_on() -> None:
            while True:
                placed.append((await stack.client.place(ada.id, [item(lamp.id)])).ok(201))

        shopping = [asyncio.create_task(shop_on()) for _ in range(4)]
        while len(placed) < 20:
            await asyncio.wait(shopping, timeout=0.01)
        await stack.kill_all()
        results = await asyncio.gather(*shopping, return_exceptions=True)
        assert all(isinstance(result, NoAnswer) for result in results), results

    async with stacks(options) as stack:
        await stack.end_leases()
        await at_rest(stack)
        shown = {order["id"]: order for order in await stack.client.all_views("orders")}
        for order in placed:
            assert shown[order.id]["reservation"] == "reserved"
        left = (await stack.client.view_product(lamp.id)).ok().body["stock"]
        assert left == 1000 - len(shown)


async def test_the_answer_to_an_idempotency_key_is_there_too(
    stacks: StartStack, tmp_path: Path
) -> None:
    options = StackOptions(data=tmp_path)
    async with stacks(options) as stack:
        ada, lamp = await stack.given.user(), await stack.given.product(stock=10)
        first = (await stack.client.place(ada.id, [item(lamp.id)], key="once")).ok(201)

    async with stacks(options) as stack:
        await stack.end_leases()
        second = (await stack.client.place(ada.id, [item(lamp.id)], key="once")).ok(201)
        assert second.body == first.body
        await at_rest(stack)
        assert len((await stack.client.orders()).ok().body["orders"]) == 1
