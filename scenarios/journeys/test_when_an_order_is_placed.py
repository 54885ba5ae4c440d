"""An order is placed: its stock is reserved, and the views show it with names."""

from __future__ import annotations

from decimal import Decimal

from scenarios.harness.stack import Stack


async def test_it_reserves_the_stock(stack: Stack) -> None:
    lamp = await stack.given.product(stock=10)
    order = await stack.given.order({lamp.id: 3})
    assert order.body["reservation"] == "pending"

    await stack.settled()

    assert (await stack.client.order(order.id)).ok().body["reservation"] == "reserved"
    assert (await stack.client.product(lamp.id)).ok().body["stock"] == 7
    (reserved,) = await stack.events("stock.reserved", order.id)
    assert (reserved["product_id"], reserved["quantity"], reserved["stock"]) == (lamp.id, 3, 7)


async def test_it_shows_the_order_with_the_names_of_user_and_products(stack: Stack) -> None:
    ada = await stack.given.user("Ada Lovelace")
    lamp = await stack.given.product("Lamp", price=Decimal("19.90"))
    shade = await stack.given.product("Shade", price=Decimal("5.00"))

    order = await stack.given.order({lamp.id: 2, shade.id: 1}, user_id=ada.id)
    await stack.settled()

    shown = (await stack.client.view_order(order.id)).ok().body
    assert shown["user_name"] == "Ada Lovelace"
    assert [line["product_name"] for line in shown["items"]] == ["Lamp", "Shade"]
    assert shown["total_amount"] == Decimal("44.80")
    assert (shown["status"], shown["paid"], shown["reservation"]) == ("CREATED", False, "reserved")


async def test_it_shows_on_both_sides_the_same_order(stack: Stack) -> None:
    lamp = await stack.given.product()
    order = await stack.given.order({lamp.id: 1})
    await stack.settled()

    written = (await stack.client.order(order.id)).ok().body
    shown = (await stack.client.view_order(order.id)).ok().body
    for line in shown["items"]:
        del line["product_name"]
    del shown["user_name"]
    assert shown == written


async def test_it_lets_lines_of_one_product_count_together(stack: Stack) -> None:
    lamp = await stack.given.product(stock=5)
    ada = await stack.given.user()
    lines = [{"product_id": lamp.id, "quantity": 2}, {"product_id": lamp.id, "quantity": 3}]

    order = (await stack.client.place(ada.id, lines)).ok(201)
    await stack.settled()

    assert len(await stack.events("stock.reserved", order.id)) == 1
    assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 0
