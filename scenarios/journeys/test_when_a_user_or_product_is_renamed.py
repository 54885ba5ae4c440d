"""A user or a product is renamed: the views of their orders follow."""

from __future__ import annotations

from scenarios.harness.stack import Stack


async def test_the_orders_of_a_user_follow(stack: Stack) -> None:
    ada = await stack.given.user("Ada Byron")
    lamp = await stack.given.product()
    order = await stack.given.order({lamp.id: 1}, user_id=ada.id)
    await stack.settled()
    assert (await stack.client.view_order(order.id)).ok().body["user_name"] == "Ada Byron"

    (await stack.client.change_user(ada.id, name="Ada Lovelace")).ok()
    await stack.settled()

    assert (await stack.client.view_order(order.id)).ok().body["user_name"] == "Ada Lovelace"
    page = (await stack.client.views("orders", user_id=ada.id)).ok().body["orders"]
    assert [shown["user_name"] for shown in page] == ["Ada Lovelace"]


async def test_the_orders_of_a_product_follow(stack: Stack) -> None:
    lamp = await stack.given.product("Lamp")
    order = await stack.given.order({lamp.id: 1})
    await stack.settled()

    (await stack.client.change_product(lamp.id, name="Lantern")).ok()
    await stack.settled()

    (line,) = (await stack.client.view_order(order.id)).ok().body["items"]
    assert line["product_name"] == "Lantern"


async def test_an_order_that_is_older_news_than_the_name_shows_the_newer_name(
    stack: Stack,
) -> None:
    ada = await stack.given.user("Ada Byron")
    lamp = await stack.given.product()
    order = await stack.given.order({lamp.id: 1}, user_id=ada.id)
    (await stack.client.change_user(ada.id, name="Ada Lovelace")).ok()
    await stack.settled()

    await stack.deliver_again("order.created", order.id)
    await stack.deliver_again("user.created", ada.id)
    await stack.settled()

    assert (await stack.client.view_order(order.id)).ok().body["user_name"] == "Ada Lovelace"
