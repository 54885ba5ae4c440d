"""The harness itself: what is killed stays dead, what fails is told, what is awaited has a deadline."""

from __future__ import annotations

import asyncio

import pytest

from chaos.kit.points import Hop, Point
from scenarios.harness.client import NoAnswer
from scenarios.harness.fault_rules import Switchboard
from scenarios.harness.process import RoleFell
from scenarios.harness.settled import eventually
from scenarios.harness.stack import Stack, StackOptions, embedded
from system.kit.errors import Unavailable


@pytest.mark.needs("kills")
async def test_a_killed_role_reaches_no_store_and_answers_nobody(own_stack: Stack) -> None:
    stack = own_stack
    held = stack.faults.hold("sql.commit", process="order-api")
    lamp, ada = await stack.given.product(), await stack.given.user()
    line = {"product_id": lamp.id, "quantity": 1}
    placing = asyncio.create_task(stack.client.place(ada.id, [line]))
    await held.reached()

    await stack.kill("order-api")
    held.release()

    with pytest.raises(NoAnswer):
        await placing
    await stack.start("order-api")
    assert (await stack.client.orders()).ok().body["orders"] == []


@pytest.mark.needs("kills")
async def test_a_killed_consumer_leaves_no_group(own_stack: Stack) -> None:
    """Its partitions are nobody's until it comes back under its name, or its session ends."""
    stack = own_stack
    lamp = await stack.given.product()
    await stack.settled()
    await stack.kill("product-consumer")
    committed = await stack.log.committed("product-consumer")

    await stack.given.order({lamp.id: 1})
    await stack.settled()
    assert await stack.log.committed("product-consumer") == committed

    await stack.end_leases()
    await stack.start("product-consumer")
    await stack.settled()
    assert await stack.log.committed("product-consumer") != committed


@pytest.mark.needs("kills")
async def test_a_role_that_ends_by_itself_is_told_at_the_end() -> None:
    async def run() -> None:
        async with embedded(StackOptions(roles=["order-consumer"])) as stack:
            stack.faults.fail("log.poll", error=RuntimeError)
            await stack.ended("order-consumer")

    with pytest.raises(ExceptionGroup) as told:
        await run()

    [fell] = told.value.exceptions
    assert isinstance(fell, RoleFell)
    assert fell.args == ("order-consumer",)
    assert isinstance(fell.__cause__, ExceptionGroup)


async def test_the_history_tells_what_was_asked_told_and_shown(own_stack: Stack) -> None:
    stack = own_stack
    ada = await stack.given.user("Ada Lovelace")
    await stack.settled()

    history = await stack.history.text()

    assert f'POST /users {{"name":"Ada Lovelace","email":"{ada.body["email"]}"}} -> 201' in history
    assert f"user.created/{(await stack.records('user.created'))[0].partition.number}@0" in history
    assert f"users/{ada.id} {{'self': 1}}" in history


async def test_it_waits_no_longer_than_its_deadline_and_tells_what_it_saw() -> None:
    async def never() -> str:
        return "the last that was seen"

    with pytest.raises(AssertionError, match="the last that was seen"):
        await eventually(never, lambda _: False, deadline_s=0.02)


async def test_rules_fail_as_often_as_they_were_told_and_where() -> None:
    faults = Switchboard()
    faults.fail("sql.commit", process="a", times=2)
    here = Point("a", "sql.commit", Hop.REQUEST)
    elsewhere = [
        Point("b", "sql.commit", Hop.REQUEST),
        Point("a", "sql.commit", Hop.REPLY),
        Point("a", "sql.begin", Hop.REQUEST),
    ]
    for point in elsewhere:
        await faults.at(point)
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"hit at a sql\.commit request"):
            await faults.at(here)
    await faults.at(here)
    assert faults.seen[here] == 3


async def test_an_outage_takes_whole_stores_away_and_ends() -> None:
    faults = Switchboard()
    points = [Point("a", call, Hop.REQUEST) for call in ("sql.begin", "log.poll", "views.put")]
    with faults.outage("sql", "log") as (sql, log):
        for point in points[:2]:
            with pytest.raises(Unavailable):
                await faults.at(point)
        await faults.at(points[2])
        assert (sql.injected, log.injected) == (1, 1)
    for point in points:
        await faults.at(point)
