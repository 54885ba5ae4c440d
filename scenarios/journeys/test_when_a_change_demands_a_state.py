"""A client changes only what is still as it saw it: ETag, If-Match, If-None-Match."""

from __future__ import annotations

import asyncio

from scenarios.harness.at_rest import at_rest
from scenarios.harness.client import Answer, item
from scenarios.harness.given import fresh_key
from scenarios.harness.stack import Stack


async def put(stack: Stack, resource: str, if_match: str, **changes: object) -> Answer:
    role = {"users": "user-api", "products": "product-api", "orders": "order-api"}
    kind = resource.split("/")[1]
    headers = {"If-Match": if_match}
    return await stack.client.ask(role[kind], "PUT", resource, changes, headers=headers)


async def test_every_answer_names_the_state_that_it_shows(stack: Stack) -> None:
    lamp = await stack.given.product(stock=10)

    shown = (await stack.client.product(lamp.id)).ok()
    changed = (await put(stack, f"/products/{lamp.id}", shown.headers["ETag"], price=2)).ok()
    again = (await stack.client.product(lamp.id)).ok()

    assert changed.headers["ETag"] == again.headers["ETag"] != shown.headers["ETag"]


async def test_a_state_that_is_past_is_refused_and_nothing_is_changed(stack: Stack) -> None:
    ada, lamp = await stack.given.user(), await stack.given.product(stock=10)
    order = await stack.given.order({lamp.id: 1}, user_id=ada.id)
    await at_rest(stack)

    for resource in (f"/users/{ada.id}", f"/products/{lamp.id}", f"/orders/{order.id}"):
        changes = {"status": "PROCESSING"} if "orders" in resource else {"name": "B"}
        refused = await put(stack, resource, '"999"', **changes)
        assert refused.ok(412).problem == "precondition-failed"

    assert (await stack.client.user(ada.id)).ok().body["name"] != "B"
    assert (await stack.client.product(lamp.id)).ok().body["name"] != "B"
    assert (await stack.client.order(order.id)).ok().body["status"] == "CREATED"


async def test_a_reservation_in_between_makes_a_product_another(stack: Stack) -> None:
    ada, lamp = await stack.given.user(), await stack.given.product(stock=10)
    seen = (await stack.client.product(lamp.id)).ok().headers["ETag"]
    (await stack.client.place(ada.id, [item(lamp.id)])).ok(201)
    await at_rest(stack)

    refused = await put(stack, f"/products/{lamp.id}", seen, price=2)

    assert refused.ok(412).problem == "precondition-failed"
    assert (await stack.client.product(lamp.id)).ok().body["stock"] == 9


async def test_a_note_of_a_reservation_makes_an_order_another(stack: Stack) -> None:
    ada, lamp = await stack.given.user(), await stack.given.product(stock=10)
    placed = (await stack.client.place(ada.id, [item(lamp.id)])).ok(201)
    await at_rest(stack)

    refused = await put(stack, f"/orders/{placed.id}", placed.headers["ETag"], status="PROCESSING")
    seen = (await stack.client.order(placed.id)).ok().headers["ETag"]
    done = await put(stack, f"/orders/{placed.id}", seen, status="PROCESSING")

    assert refused.ok(412).problem == "precondition-failed"
    assert done.ok().body["status"] == "PROCESSING"


async def test_of_many_who_saw_the_same_state_one_changes_it(stack: Stack) -> None:
    lamp = await stack.given.product(stock=10)
    seen = (await stack.client.product(lamp.id)).ok().headers["ETag"]

    answers = await asyncio.gather(
        *(put(stack, f"/products/{lamp.id}", seen, stock=stock) for stock in range(20, 28))
    )

    assert sorted(answer.status for answer in answers) == [200] + 7 * [412]
    (done,) = [answer for answer in answers if answer.status == 200]
    assert (await stack.client.product(lamp.id)).ok().body == done.body


async def test_payment_cancellation_and_removal_demand_it_too(stack: Stack) -> None:
    lamp = await stack.given.product(stock=10)
    order = await stack.given.order({lamp.id: 1})
    past = {"If-Match": '"999"'}
    ask = stack.client.ask
    path = f"/orders/{order.id}"

    pay = await ask("order-api", "POST", f"{path}/pay", {"payment_method": "card"}, headers=past)
    cancel = await ask("order-api", "POST", f"{path}/cancel", {}, headers=past)
    remove = await ask("order-api", "DELETE", path, headers=past)

    for refused in (pay, cancel, remove):
        assert refused.ok(412).problem == "precondition-failed"
    assert (await stack.client.order(order.id)).ok().body["status"] == "CREATED"


async def test_a_repeated_request_gets_its_answer_whatever_the_state_is_now(stack: Stack) -> None:
    lamp = await stack.given.product(stock=10)
    order = await stack.given.order({lamp.id: 1})
    await at_rest(stack)
    seen = (await stack.client.order(order.id)).ok().headers["ETag"]
    headers = {"If-Match": seen, "Idempotency-Key": fresh_key()}
    path, body = f"/orders/{order.id}/pay", {"payment_method": "card"}

    first = (await stack.client.ask("order-api", "POST", path, body, headers=headers)).ok()
    again = (await stack.client.ask("order-api", "POST", path, body, headers=headers)).ok()

    assert again.body == first.body


async def test_what_a_client_has_already_is_not_sent_again(stack: Stack) -> None:
    ada = await stack.given.user()
    path = f"/users/{ada.id}"
    shown = (await stack.client.user(ada.id)).ok()

    known = {"If-None-Match": shown.headers["ETag"]}
    same = await stack.client.ask("user-api", "GET", path, headers=known)
    past = {"If-Match": '"999"', **known}
    refused = await stack.client.ask("user-api", "GET", path, headers=past)
    (await stack.client.change_user(ada.id, name="B")).ok()
    other = await stack.client.ask("user-api", "GET", path, headers=known)

    assert (same.status, same.headers["ETag"]) == (304, shown.headers["ETag"])
    assert refused.ok(412).problem == "precondition-failed"
    assert other.ok().body["name"] == "B"
