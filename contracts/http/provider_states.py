"""What is there before a request: provider states of the APIs, by the commands that clients have.

Each begins with users and products of its own, and gives the values that its request is to name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from scenarios.harness.client import Answer
from scenarios.harness.given import fresh_email, fresh_key
from scenarios.harness.stack import Stack
from system.kit.http.headers import IDEMPOTENCY_KEY

Values = Mapping[str, str | int]
State = Callable[[Stack], Awaitable[Values]]

NAMES: Values = {
    "user_id": 1,
    "product_id": 2,
    "order_id": 3,
    "email": "ada@example.com",
    "key": "key-1",
    "token": "users/1.self@1",
    "cursor": "AAAAAAAAAAM",
}
"""Every name that a state may give a value for, with an example of it."""


async def nothing(_stack: Stack) -> Values:
    return {"email": fresh_email()}


async def a_user(stack: Stack) -> Values:
    email = fresh_email()
    return {"user_id": (await stack.client.register("Ada", email)).ok(201).id, "email": email}


async def two_users(stack: Stack) -> Values:
    """The values are one's number and the other's address."""
    return {**await a_user(stack), "user_id": (await stack.given.user()).id}


async def a_user_registered_by_key(stack: Stack) -> Values:
    key, email = fresh_key(), fresh_email()
    await _first(stack, "user-api", "/users", {"email": email, "name": "Ada"}, key, status=201)
    return {"key": key, "email": email}


async def a_product(stack: Stack) -> Values:
    return {"product_id": (await stack.given.product()).id}


async def a_product_offered_by_key(stack: Stack) -> Values:
    key = fresh_key()
    body = {"name": "Lamp", "price": 20, "stock": 10}
    await _first(stack, "product-api", "/products", body, key, status=201)
    return {"key": key}


async def a_user_and_a_product(stack: Stack) -> Values:
    return {**await a_user(stack), **await a_product(stack)}


async def an_order(stack: Stack) -> Values:
    return _ids(await _order(stack))


async def an_order_placed_by_key(stack: Stack) -> Values:
    known = await a_user_and_a_product(stack)
    key = fresh_key()
    lines = [{"product_id": known["product_id"], "quantity": 2}]
    body = {"items": lines, "user_id": known["user_id"]}
    await _first(stack, "order-api", "/orders", body, key, status=201)
    return {**known, "key": key}


async def an_order_paid_by_key(stack: Stack) -> Values:
    order, key = await _order(stack), fresh_key()
    (await stack.client.pay(order.id, key=key)).ok()
    return {**_ids(order), "key": key}


async def an_order_canceled_by_key(stack: Stack) -> Values:
    order, key = await _order(stack), fresh_key()
    (await stack.client.cancel(order.id, key=key)).ok()
    return {**_ids(order), "key": key}


async def a_paid_order(stack: Stack) -> Values:
    order = await _order(stack)
    return _ids((await stack.client.pay(order.id)).ok())


async def a_canceled_order(stack: Stack) -> Values:
    order = await _order(stack)
    return _ids((await stack.client.cancel(order.id)).ok())


async def a_user_with_two_orders(stack: Stack) -> Values:
    known = _ids(await _order(stack))
    again = await stack.given.order({int(known["product_id"]): 1}, user_id=int(known["user_id"]))
    await stack.settled()
    return {**known, "order_id": again.id}


async def views_of_an_order(stack: Stack) -> Values:
    """The query side shows it, its user and its product."""
    order = await _order(stack)
    await stack.settled()
    return {**_ids(order), "token": order.token}


async def a_write_that_its_reader_waits_for(stack: Stack) -> Values:
    order = await _order(stack)
    return {**_ids(order), "token": order.token}


async def a_token_of_what_is_not_shown_yet(stack: Stack) -> Values:
    known = await views_of_an_order(stack)
    return {**known, "token": f"orders/{known['order_id']}.self@99"}


async def _first(
    stack: Stack, role: str, path: str, body: Mapping[str, object], key: str, *, status: int
) -> None:
    """The first request with a key, byte by byte as pact sends the second one.

    Pact writes an object's members in the order of their names.
    """
    headers = {IDEMPOTENCY_KEY: key}
    (await stack.client.ask(role, "POST", path, body, headers=headers)).ok(status)


async def _order(stack: Stack) -> Answer:
    product = await stack.given.product()
    return await stack.given.order({product.id: 2})


def _ids(order: Answer) -> Values:
    return {
        "order_id": order.id,
        "user_id": order.body["user_id"],
        "product_id": order.body["items"][0]["product_id"],
    }
