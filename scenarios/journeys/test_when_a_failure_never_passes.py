"""A handler always fails: after five retries its message is parked with all its facts.

Meanwhile the other partitions are undisturbed; once the handler is mended, a replay heals it.
"""

from __future__ import annotations

import pytest

from scenarios.conftest import StartStack
from scenarios.harness.at_rest import at_rest
from scenarios.harness.faulty_handler import FaultyHandler, of_user
from scenarios.harness.settled import eventually
from scenarios.harness.stack import Stack, StackOptions
from system.events import OrderCreated
from system.kit.ports.log import Record

pytestmark = pytest.mark.needs("handlers")


@pytest.fixture
def faulty() -> FaultyHandler:
    return FaultyHandler(OrderCreated, "product-consumer")


async def reservation(stack: Stack, order_id: int) -> str:
    return str((await stack.client.order(order_id)).ok().body["reservation"])


async def told(stack: Stack, order_id: int) -> list[Record]:
    return await eventually(lambda: stack.records("order.created", order_id))


async def reserved(stack: Stack, order_id: int) -> None:
    await eventually(lambda: reservation(stack, order_id), lambda seen: seen == "reserved")


async def test_it_is_parked_after_five_retries_with_all_its_facts(
    stacks: StartStack, faulty: FaultyHandler
) -> None:
    async with stacks(StackOptions(table=faulty.table())) as stack:
        ada, lamp = await stack.given.user(), await stack.given.product(stock=10)
        faulty.fail(of_user(ada.id))

        order = await stack.given.order({lamp.id: 4}, user_id=ada.id)
        await stack.settled()

        assert faulty.attempts[order.id] == 6
        (record,) = await stack.records("order.created", order.id)
        (letter,) = await stack.letters("product-consumer")
        assert (letter["topic"], letter["partition"], letter["offset"]) == (
            "order.created",
            record.partition.number,
            record.offset,
        )
        assert (letter["consumer"], letter["key"]) == ("product-consumer", str(order.id))
        assert (letter["error_type"], letter["error"]) == ("RuntimeError", "in trouble")
        assert letter["attempts"] == 6
        assert letter["first_failed_at"] < letter["last_failed_at"]
        whole = (await stack.client.letter("product-consumer", letter["id"])).ok().body
        assert whole["value"].encode() == record.message.value
        assert "RuntimeError: in trouble" in whole["trace"]
        assert await stack.events("stock.reserved", order.id) == []


async def test_other_partitions_are_undisturbed_meanwhile(
    stacks: StartStack, faulty: FaultyHandler
) -> None:
    options = StackOptions(table=faulty.table(), write_chain=faulty.write_chain)
    async with stacks(options) as stack:
        ada, lamp = await stack.given.user(), await stack.given.product(stock=100)
        faulty.fail(of_user(ada.id))
        faulty.hold(of_user(ada.id), after_attempts=3)
        troubled = await stack.given.order({lamp.id: 1}, user_id=ada.id)
        await faulty.waits()  # between two attempts, for as long as we like

        others = [await stack.given.order({lamp.id: 1}) for _ in range(12)]
        (held,) = await stack.records("order.created", troubled.id)
        undisturbed = behind = 0
        for order in others:
            (record,) = await told(stack, order.id)
            if record.partition == held.partition:
                behind += 1
                assert await reservation(stack, order.id) == "pending"
            else:
                undisturbed += 1
                await reserved(stack, order.id)
        assert undisturbed
        assert behind, "no order waits behind the troubled one: the scenario shows nothing"
        assert await stack.letters("product-consumer") == []

        faulty.release()
        await stack.settled()
        for order in others:
            assert await reservation(stack, order.id) == "reserved"


async def test_a_replay_heals_it_once_the_handler_is_mended(
    stacks: StartStack, faulty: FaultyHandler
) -> None:
    async with stacks(StackOptions(table=faulty.table())) as stack:
        ada, lamp = await stack.given.user(), await stack.given.product(stock=10)
        faulty.fail(of_user(ada.id))
        order = await stack.given.order({lamp.id: 4}, user_id=ada.id)
        await stack.settled()
        (letter,) = await stack.letters("product-consumer")
        assert await reservation(stack, order.id) == "pending"

        faulty.pass_over()
        (await stack.client.replay("product-consumer", [letter["id"]])).ok()
        await at_rest(stack)

        assert await stack.letters("product-consumer") == []
        shown = (await stack.client.view_order(order.id)).ok().body
        assert shown["reservation"] == "reserved"
        assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 6


async def test_a_replay_comes_right_also_after_the_order_was_canceled(
    stacks: StartStack, faulty: FaultyHandler
) -> None:
    async with stacks(StackOptions(table=faulty.table())) as stack:
        ada, lamp = await stack.given.user(), await stack.given.product(stock=10)
        faulty.fail(of_user(ada.id))
        order = await stack.given.order({lamp.id: 4}, user_id=ada.id)
        await stack.settled()
        (letter,) = await stack.letters("product-consumer")
        (await stack.client.cancel(order.id)).ok()
        await stack.settled()

        faulty.pass_over()
        (await stack.client.replay("product-consumer", [letter["id"]])).ok()
        await at_rest(stack)

        assert (await stack.client.view_product(lamp.id)).ok().body["stock"] == 10
