"""A message must be parked, and just then the log takes nothing: it waits, and is parked once."""

from __future__ import annotations

import pytest

from scenarios.conftest import StartStack
from scenarios.harness.at_rest import at_rest
from scenarios.harness.fault_rules import FaultRule
from scenarios.harness.faulty_handler import FaultyHandler, of_user
from scenarios.harness.settled import eventually
from scenarios.harness.stack import QUICK, Stack, StackOptions
from system.events import OrderCreated
from system.kit.ports.log import Message, Partition

pytestmark = pytest.mark.needs("faults")

CONSUMER = "product-consumer"
KEYS = (b"poison e", b"poison a", b"poison d")
"""One for each partition: any order stands behind one of them."""


async def waits(stack: Stack, away: FaultRule, partition: Partition, offset: int) -> None:
    """It tries again and again to park; the offset does not move past the message."""

    async def injected() -> int:
        return away.injected

    await eventually(injected, lambda times: times >= 3)
    assert (await stack.log.committed(CONSUMER)).get(partition, 0) <= offset
    assert await stack.records("order.created.dlq") == []


async def test_poison_waits(own_stack: Stack) -> None:
    stack = own_stack
    lamp = await stack.given.product(stock=10)
    await stack.settled()
    away = stack.faults.fail("log.publish", process=CONSUMER, times=None)
    away_too = stack.faults.fail("log.publish", process="query-consumer", times=None)

    await stack.deliver(*(Message("order.created", key, b"?", ()) for key in KEYS))
    order = await stack.given.order({lamp.id: 1})
    (record,) = await eventually(lambda: stack.records("order.created", order.id))
    await waits(stack, away, record.partition, record.offset - 1)
    assert (await stack.client.order(order.id)).ok().body["reservation"] == "pending"

    away.release()
    away_too.release()
    await at_rest(stack)
    assert len(await stack.letters(CONSUMER)) == 3
    assert (await stack.client.order(order.id)).ok().body["reservation"] == "reserved"


async def test_what_was_retried_in_vain_waits_and_is_not_tried_once_more(
    stacks: StartStack,
) -> None:
    faulty = FaultyHandler(OrderCreated, CONSUMER)
    settings = QUICK.model_copy(update={"retry_delays_s": (0.001, 0.001)})
    async with stacks(StackOptions(settings=settings, table=faulty.table())) as stack:
        ada, lamp = await stack.given.user(), await stack.given.product(stock=10)
        faulty.fail(of_user(ada.id))
        away = stack.faults.fail("log.publish", process=CONSUMER, times=None)

        order = await stack.given.order({lamp.id: 1}, user_id=ada.id)
        (record,) = await eventually(lambda: stack.records("order.created", order.id))
        await waits(stack, away, record.partition, record.offset)
        away.release()
        await stack.settled()

        (letter,) = await stack.letters(CONSUMER)
        assert letter["attempts"] == faulty.attempts[order.id] == 3
