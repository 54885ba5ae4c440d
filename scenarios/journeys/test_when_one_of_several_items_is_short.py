"""One of several products is short: nothing at all is reserved."""

from __future__ import annotations

from scenarios.harness.stack import Stack


async def test_it_reserves_nothing(stack: Stack) -> None:
    plenty, short = await stack.given.product(stock=50), await stack.given.product(stock=1)
    also_plenty = await stack.given.product(stock=50)

    order = await stack.given.order({plenty.id: 5, short.id: 2, also_plenty.id: 5})
    await stack.settled()

    for product, stock in ((plenty, 50), (short, 1), (also_plenty, 50)):
        assert (await stack.client.product(product.id)).ok().body["stock"] == stock
        assert (await stack.client.view_product(product.id)).ok().body["stock"] == stock
    assert await stack.events("stock.reserved", order.id) == []
    (rejected,) = await stack.events("stock.rejected", order.id)
    assert [missing["product_id"] for missing in rejected["missing"]] == [short.id]
    assert (await stack.client.view_order(order.id)).ok().body["status"] == "CANCELED"
