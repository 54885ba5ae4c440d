"""A user or a product is deleted: they leave the views, and late news does not bring them back."""

from __future__ import annotations

from scenarios.harness.at_rest import at_rest
from scenarios.harness.stack import Stack


async def test_a_user_leaves_the_views_for_good(stack: Stack) -> None:
    ada = await stack.given.user()
    (await stack.client.change_user(ada.id, name="Ada Lovelace")).ok()
    await stack.settled()

    (await stack.client.delete_user(ada.id)).ok(204)
    await stack.settled()
    assert (await stack.client.view_user(ada.id)).status == 404

    await stack.deliver_again("user.updated", ada.id)
    await stack.deliver_again("user.created", ada.id)
    await at_rest(stack)
    assert (await stack.client.view_user(ada.id)).status == 404
    assert ada.id not in [user["id"] for user in await stack.client.all_views("users")]


async def test_a_product_leaves_the_views_for_good(stack: Stack) -> None:
    lamp = await stack.given.product(stock=5)
    (await stack.client.change_product(lamp.id, stock=7)).ok()
    order = await stack.given.order({lamp.id: 1})
    await stack.settled()
    (await stack.client.delete_order(order.id)).ok(204)
    await stack.settled()

    (await stack.client.delete_product(lamp.id)).ok(204)
    await stack.settled()
    assert (await stack.client.view_product(lamp.id)).status == 404

    for topic, key in (("product.updated", lamp.id), ("stock.released", order.id)):
        await stack.deliver_again(topic, key)
    await at_rest(stack)
    assert (await stack.client.view_product(lamp.id)).status == 404


async def test_who_is_referred_to_stays(stack: Stack) -> None:
    ada, lamp = await stack.given.user(), await stack.given.product()
    await stack.given.order({lamp.id: 1}, user_id=ada.id)

    assert (await stack.client.delete_user(ada.id)).ok(409).problem == "still-referred"
    assert (await stack.client.delete_product(lamp.id)).ok(409).problem == "still-referred"
    await stack.settled()

    (await stack.client.view_user(ada.id)).ok()
    (await stack.client.view_product(lamp.id)).ok()
