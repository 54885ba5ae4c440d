"""An event is delivered three times: it has its effect once."""

from __future__ import annotations

from scenarios.harness.at_rest import at_rest
from scenarios.harness.stack import Stack


async def test_it_reserves_once(stack: Stack) -> None:
    lamp = await stack.given.product(stock=10)
    order = await stack.given.order({lamp.id: 3})
    await stack.settled()

    await stack.deliver_again("order.created", order.id, times=2)
    await at_rest(stack)

    assert (await stack.client.product(lamp.id)).ok().body["stock"] == 7
    assert len(await stack.records("stock.reserved", order.id)) == 1


async def test_it_releases_once(stack: Stack) -> None:
    lamp = await stack.given.product(stock=10)
    order = await stack.given.order({lamp.id: 3})
    (await stack.client.cancel(order.id)).ok()
    await stack.settled()

    await stack.deliver_again("order.canceled", order.id, times=2)
    await stack.deliver_again("order.created", order.id, times=2)
    await at_rest(stack)

    assert (await stack.client.product(lamp.id)).ok().body["stock"] == 10


async def test_it_cancels_once(stack: Stack) -> None:
    lamp = await stack.given.product(stock=0)
    order = await stack.given.order({lamp.id: 1})
    await stack.settled()

    await stack.deliver_again("stock.rejected", order.id, times=2)
    await at_rest(stack)

    assert len(await stack.records("order.canceled", order.id)) == 1


async def test_it_shows_what_is_newest_also_when_old_news_comes_again(stack: Stack) -> None:
    lamp = await stack.given.product("Lamp", stock=10)
    (await stack.client.change_product(lamp.id, name="Lantern", stock=8)).ok()
    order = await stack.given.order({lamp.id: 3})
    (await stack.client.cancel(order.id)).ok()
    await stack.settled()
    shown = (await stack.client.view_product(lamp.id)).ok().body
    shown_order = (await stack.client.view_order(order.id)).ok().body

    for topic, key in (
        ("product.created", lamp.id),
        ("stock.reserved", order.id),
        ("order.created", order.id),
        ("product.updated", lamp.id),
    ):
        if await stack.records(topic, key):
            await stack.deliver_again(topic, key, times=2)
    await at_rest(stack)

    assert (await stack.client.view_product(lamp.id)).ok().body == shown
    assert (await stack.client.view_order(order.id)).ok().body == shown_order
    assert shown["name"] == "Lantern"
