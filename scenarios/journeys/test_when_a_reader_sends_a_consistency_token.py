"""A reader sends the token of a write: the answer shows that write, or says that it cannot yet."""

from __future__ import annotations

import asyncio

import pytest

from chaos.kit.points import Hop, Point
from scenarios.harness.settled import eventually
from scenarios.harness.stack import Stack


async def test_it_reads_its_own_write(stack: Stack) -> None:
    ada = await stack.given.user("Ada Byron")
    shown = (await stack.client.view_user(ada.id, token=ada.token)).ok()
    assert shown.body == ada.body

    for name in ("Ada B", "Ada By", "Ada Byr"):
        renamed = (await stack.client.change_user(ada.id, name=name)).ok()
        shown = (await stack.client.view_user(ada.id, token=renamed.token)).ok()
        assert shown.body == renamed.body


async def test_it_names_a_product_and_its_stock_by_a_version_each(stack: Stack) -> None:
    lamp = await stack.given.product(stock=10)
    priced = (await stack.client.change_product(lamp.id, price=20)).ok()
    await stack.given.order({lamp.id: 1})
    await stack.settled()  # so that it holds its unit
    priced_again = (await stack.client.change_product(lamp.id, price=21)).ok()
    filled_up = (await stack.client.change_product(lamp.id, stock=50)).ok()

    writes = (lamp, priced, priced_again, filled_up)
    versions = ((1, 1), (2, 1), (3, 2), (4, 3))
    assert [write.token for write in writes] == [
        f"products/{lamp.id}.self@{product},products/{lamp.id}.stock@{stock}"
        for product, stock in versions
    ]
    shown = (await stack.client.view_product(lamp.id, token=filled_up.token)).ok()
    assert shown.body == filled_up.body


async def test_lists_honour_it_too(stack: Stack) -> None:
    lamp, ada = await stack.given.product(), await stack.given.user()
    order = await stack.given.order({lamp.id: 1}, user_id=ada.id)
    token = f"{order.token},{lamp.token}"

    page = (await stack.client.views("orders", user_id=ada.id, token=token)).ok().body

    assert [shown["id"] for shown in page["orders"]] == [order.id]


async def test_a_deletion_can_be_waited_for(stack: Stack) -> None:
    ada = await stack.given.user()
    gone = (await stack.client.delete_user(ada.id)).ok(204)
    assert (await stack.client.view_user(ada.id, token=gone.token)).status == 404


@pytest.mark.needs("faults")
@pytest.mark.parametrize("parts", [("self", "reservation"), ("reservation", "self")])
async def test_each_part_that_it_names_is_waited_for(
    own_stack: Stack, parts: tuple[str, str]
) -> None:
    stack = own_stack
    lamp = await stack.given.product()
    reserving = stack.faults.hold("log.publish", process="product-consumer-relay")
    order = await stack.given.order({lamp.id: 1})
    await reserving.reached()
    await stack.client.view_order(order.id, token=order.token)  # the order itself is shown

    token = ",".join(f"orders/{order.id}.{part}@1" for part in parts)
    looks = Point("query-api", "views.get", Hop.REQUEST)
    looked = stack.faults.seen[looks]
    asked = asyncio.create_task(stack.client.view_order(order.id, token=token))

    async def has_waited_or_not() -> bool:
        return stack.faults.seen[looks] >= looked + 4 or asked.done()

    await eventually(has_waited_or_not)
    reserving.release()

    assert (await asked).ok().body["reservation"] == "reserved"


@pytest.mark.needs("faults")
async def test_it_waits_until_the_write_is_shown(own_stack: Stack) -> None:
    stack = own_stack
    ada = await stack.given.user("Ada Byron")
    await stack.settled()
    behind = stack.faults.hold("views.put", process="query-consumer", times=None)
    renamed = (await stack.client.change_user(ada.id, name="Ada Lovelace")).ok()
    await behind.reached()

    reading = asyncio.create_task(stack.client.view_user(ada.id, token=renamed.token))
    without_token = (await stack.client.view_user(ada.id)).ok()
    assert without_token.body["name"] == "Ada Byron"
    assert not reading.done()

    behind.release()
    assert (await reading).ok().body["name"] == "Ada Lovelace"


@pytest.mark.needs("faults")
async def test_it_is_told_when_the_write_is_not_shown_in_time(own_stack: Stack) -> None:
    stack = own_stack
    stack.faults.hold("views.put", process="query-consumer", times=None)
    ada = await stack.given.user()

    answer = await stack.client.view_user(ada.id, token=ada.token)

    assert answer.ok(503).problem == "view-behind"
    assert answer.headers["Retry-After"]


async def test_a_token_that_nobody_gave_is_refused(stack: Stack) -> None:
    for token in ("users/1", "users/1.self@x", "cats/1.self@1", "users/1.stock@1", ","):
        answer = await stack.client.view_user(1, token=token)
        assert answer.ok(400).problem == "malformed-token"
