"""Views are rebuilt under traffic: readers get an answer each time, and never go back in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from chaos.kit.points import Hop, Point
from scenarios.harness.at_rest import at_rest
from scenarios.harness.settled import eventually
from scenarios.harness.stack import Stack

EVERY_S = 0.01
STEPS = ("pending", "reserved", "released")


class Reader:
    """Asks every 10 ms, and remembers the furthest that it has seen of each order."""

    def __init__(self, stack: Stack, product_id: int) -> None:
        self.looks = 0
        self.wrong: list[str] = []
        self._stack = stack
        self._product_id = product_id
        self._seen: dict[int, tuple[str, int]] = {}
        self._stock = 1_000_000

    async def read_on(self) -> None:
        while True:
            await self._look()
            self.looks += 1
            await asyncio.sleep(EVERY_S)

    async def _look(self) -> None:
        product = await self._stack.client.view_product(self._product_id)
        page = await self._stack.client.views("orders", limit=500)
        for answer in (product, page):
            if answer.status != 200:
                self.wrong.append(f"{answer.status}: {answer.body}")
                return
        self._judge_stock(product.body["stock"])
        self._judge({order["id"]: order for order in page.body["orders"]})

    def _judge_stock(self, stock: int) -> None:
        if stock > self._stock:
            self.wrong.append(f"the stock was {self._stock}, and is {stock} again")
        self._stock = stock

    def _judge(self, orders: dict[int, dict[str, Any]]) -> None:
        self.wrong += [f"order {id} has disappeared" for id in self._seen.keys() - orders.keys()]
        for id, order in orders.items():
            now = (str(order["updated_at"]), STEPS.index(order["reservation"]))
            before = self._seen.get(id, now)
            if now[0] < before[0] or now[1] < before[1]:
                self.wrong.append(f"order {id} was at {before}, and is at {now} again")
            self._seen[id] = now


@asynccontextmanager
async def reading(stack: Stack, product_id: int) -> AsyncIterator[Reader]:
    reader = Reader(stack, product_id)
    task = asyncio.create_task(reader.read_on())
    try:
        yield reader
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()


async def shop_on(stack: Stack, product_id: int, user_id: int) -> None:
    while True:
        order = await stack.given.order({product_id: 1}, user_id=user_id)
        (await stack.client.pay(order.id)).ok()


async def test_readers_notice_nothing(own_stack: Stack) -> None:
    stack = own_stack
    lamp, ada = await stack.given.product(stock=100_000), await stack.given.user()
    for _ in range(20):
        await stack.given.order({lamp.id: 1}, user_id=ada.id)
    await stack.settled()

    async with reading(stack, lamp.id) as reader:
        shopping = asyncio.create_task(shop_on(stack, lamp.id, ada.id))
        for generation in (2, 3):
            begun = (await stack.client.rebuild()).ok(202)
            assert begun.body == {"generation": generation}
            progress = await eventually(
                stack.client.rebuild_progress, lambda seen: seen.body["building"] is None
            )
            assert (progress.body["live"], progress.body["failure"]) == (generation, None)
        shopping.cancel()
        await asyncio.wait([shopping])
        await at_rest(stack)
        looks = reader.looks

        async def more_looks() -> int:
            return reader.looks - looks

        await eventually(more_looks, lambda more: more >= 2)

    assert reader.wrong == []


async def test_what_is_shown_last_before_the_freeze_is_waited_for(own_stack: Stack) -> None:
    """Had the ends of the log been read before the freeze, it would not be, and readers go back."""
    stack = own_stack
    lamp = await stack.given.product(name="Lamp")
    await stack.settled()

    freezing = stack.faults.hold("views.freeze")
    (await stack.client.rebuild()).ok(202)
    await freezing.reached()
    await eventually(
        stack.client.rebuild_progress,
        lambda seen: seen.body["records_read"] == seen.body["records_total"],
    )
    reading_on = stack.faults.hold("log.commit", process="query-consumer", times=None)
    (await stack.client.change_product(lamp.id, name="Lamp, red")).ok()
    await eventually(
        lambda: stack.client.view_product(lamp.id), lambda shown: shown.body["name"] == "Lamp, red"
    )
    freezing.release()

    looks = Point("query-consumer", "log.committed", Hop.REQUEST)
    switches = Point("query-consumer", "views.switch", Hop.REQUEST)
    looked, switched = stack.faults.seen[looks], stack.faults.seen[switches]

    async def has_looked_or_switched() -> bool:
        return stack.faults.seen[looks] > looked + 3 or stack.faults.seen[switches] > switched

    await eventually(has_looked_or_switched)
    assert stack.faults.seen[switches] == switched, "the new views cannot have read that yet"
    reading_on.release()
    progress = await eventually(
        stack.client.rebuild_progress, lambda seen: seen.body["building"] is None
    )
    assert (progress.body["live"], progress.body["failure"]) == (2, None)
    await at_rest(stack)


async def test_a_second_rebuild_at_the_same_time_is_refused(own_stack: Stack) -> None:
    stack = own_stack
    answers = await asyncio.gather(*(stack.client.rebuild() for _ in range(3)))
    assert sorted(answer.status for answer in answers) == [202, 409, 409]
    refused = next(answer for answer in answers if answer.status == 409)
    assert refused.problem == "rebuild-in-progress"
    await eventually(stack.client.rebuild_progress, lambda seen: seen.body["building"] is None)
    await at_rest(stack)
