"""How the system comes to emit each event: provider states, by the commands that its clients have.

A state's name is its function's, with spaces. Each begins with users and products of its own, and
gives the number of what it is about. The last thing that it does leads to the event.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

from scenarios.harness.given import fresh_email
from scenarios.harness.stack import Stack

State = Callable[[Stack], Awaitable[int]]


async def a_user_registers(stack: Stack) -> int:
    return (await stack.given.user()).id


async def a_user_changes_name_and_email(stack: Stack) -> int:
    user = await stack.given.user()
    return (await stack.client.change_user(user.id, name="Bea", email=fresh_email())).ok().id


async def a_user_leaves(stack: Stack) -> int:
    user = await stack.given.user()
    (await stack.client.delete_user(user.id)).ok(204)
    return user.id


async def a_product_is_offered(stack: Stack) -> int:
    return (await stack.given.product()).id


async def a_product_is_changed(stack: Stack) -> int:
    product = await stack.given.product()
    changed = await stack.client.change_product(
        product.id, name="Desk", price=Decimal("99.90"), stock=4
    )
    return changed.ok().id


async def a_product_is_withdrawn(stack: Stack) -> int:
    product = await stack.given.product()
    (await stack.client.delete_product(product.id)).ok(204)
    return product.id


async def an_order_is_placed(stack: Stack) -> int:
    product = await stack.given.product()
    return (await stack.given.order({product.id: 2})).id


async def an_order_is_processed(stack: Stack) -> int:
    order_id = await an_order_is_placed(stack)
    return (await stack.client.set_status(order_id, "PROCESSING")).ok().id


async def a_paid_order_is_processed(stack: Stack) -> int:
    order_id = await an_order_is_paid(stack)
    return (await stack.client.set_status(order_id, "PROCESSING")).ok().id


async def an_order_is_paid(stack: Stack) -> int:
    order_id = await an_order_is_placed(stack)
    return (await stack.client.pay(order_id)).ok().id


async def an_order_is_canceled_without_a_reason(stack: Stack) -> int:
    order_id = await an_order_is_placed(stack)
    path = f"/orders/{order_id}/cancel"
    return (await stack.client.ask("order-api", "POST", path, {})).ok().id


async def a_paid_order_is_canceled_for_want_of_stock(stack: Stack) -> int:
    """Paid before it is known that the stock has too little: the consumer waits meanwhile."""
    product = await stack.given.product(stock=1)
    await stack.stop("product-consumer")
    try:
        order = await stack.given.order({product.id: 2})
        (await stack.client.pay(order.id)).ok()
    finally:
        await stack.start("product-consumer")
    return order.id


async def an_order_is_deleted(stack: Stack) -> int:
    order_id = await an_order_is_placed(stack)
    (await stack.client.delete_order(order_id)).ok(204)
    return order_id


async def the_stock_of_an_order_is_reserved(stack: Stack) -> int:
    return await an_order_is_placed(stack)


async def the_stock_of_a_canceled_order_is_released(stack: Stack) -> int:
    order_id = await an_order_is_placed(stack)
    await stack.settled()
    return (await stack.client.cancel(order_id)).ok().id


async def an_order_wants_more_than_is_left(stack: Stack) -> int:
    product = await stack.given.product(stock=1)
    return (await stack.given.order({product.id: 2})).id
