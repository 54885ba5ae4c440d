"""A handler that others add, a bare counter: the inbox alone guards it, and it counts once.

The system's own handlers are also guarded by their state, and would hide an inbox that fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, update
from sqlalchemy.schema import CreateTable

from chaos.kit.points import Hop
from scenarios.conftest import StartStack
from scenarios.harness.stack import Stack, StackOptions
from system.events import OrderPaid
from system.kit.events import Envelope
from system.kit.ports.work import UnitOfWork
from system.table import TABLE

pytestmark = pytest.mark.needs("handlers", "faults", "kills")

counter = Table("payments_counter", MetaData(), Column("payments", Integer, nullable=False))


async def count_payments(batch: Sequence[Envelope[Any]], unit: UnitOfWork) -> None:
    await unit.sql.execute(update(counter).values(payments=counter.c.payments + len(batch)))


COUNTING = StackOptions(
    table=[
        replace(row, reacts={"product-consumer": count_payments}) if row.event is OrderPaid else row
        for row in TABLE
    ]
)


async def payments(stack: Stack) -> int:
    (row,) = await stack.rows(counter)
    return int(row["payments"])


async def given_a_counter(stack: Stack) -> None:
    async with stack.work() as unit:
        await unit.sql.execute(CreateTable(counter))
        await unit.sql.execute(insert(counter).values(payments=0))


async def given_a_payment(stack: Stack) -> int:
    lamp = await stack.given.product()
    order = await stack.given.order({lamp.id: 1})
    (await stack.client.pay(order.id)).ok()
    return order.id


async def test_it_counts_once_what_is_delivered_three_times(stacks: StartStack) -> None:
    async with stacks(COUNTING) as stack:
        await given_a_counter(stack)
        order_id = await given_a_payment(stack)
        await stack.settled()
        assert await payments(stack) == 1

        await stack.deliver_again("order.paid", order_id, times=2)
        await given_a_payment(stack)
        await stack.settled()
        assert await payments(stack) == 2


async def test_it_counts_once_when_the_answer_to_commit_is_lost(stacks: StartStack) -> None:
    async with stacks(COUNTING) as stack:
        await given_a_counter(stack)
        lost = stack.faults.fail(
            "sql.commit", hop=Hop.REPLY, process="product-consumer-lane", times=4
        )
        await given_a_payment(stack)
        await stack.settled()
        assert lost.injected
        assert await payments(stack) == 1


async def test_it_counts_once_when_its_process_dies_before_the_offset(stacks: StartStack) -> None:
    async with stacks(COUNTING) as stack:
        await given_a_counter(stack)
        held = stack.faults.hold("log.commit", process="product-consumer", times=None)
        await given_a_payment(stack)
        await held.reached()
        await stack.kill("product-consumer")
        held.release()
        await stack.end_leases()
        await stack.start("product-consumer")
        await stack.settled()
        assert await payments(stack) == 1
