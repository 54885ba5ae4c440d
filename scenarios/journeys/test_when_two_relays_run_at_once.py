"""Two relays of one outbox run at once, one stalled beyond its lease: order is kept, little repeats.

1. A reads three rows and stalls. 2. Its lease ends; B publishes and marks all five.
3. A wakes up and publishes its three: repeats of what is there, behind it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from scenarios.harness.at_rest import at_rest
from scenarios.harness.settled import eventually
from scenarios.harness.stack import Stack
from system.kit.ports.log import Record
from system.kit.values import loads

pytestmark = pytest.mark.needs("faults", "stops")

NAMES = ["Ada B", "Ada By", "Ada Byr", "Ada Byro", "Ada Byron"]
READ_BEFORE_THE_STALL = 3


def names(records: Sequence[Record]) -> list[str]:
    return [str(loads(record.message.value)["user"]["name"]) for record in records]


def first_times(told: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(told))


async def test_order_is_kept_and_only_what_was_in_hand_comes_twice(own_stack: Stack) -> None:
    stack = own_stack
    await stack.stop("user-consumer")
    ada = await stack.given.user()
    for name in NAMES[:READ_BEFORE_THE_STALL]:
        (await stack.client.change_user(ada.id, name=name)).ok()

    stalled = stack.faults.hold("log.publish", process="user-consumer-relay", times=None)
    starting = asyncio.create_task(stack.start("user-consumer"))
    await stalled.reached()
    renewing = stack.faults.hold("sql.begin", process="user-consumer", times=None)
    for name in NAMES[READ_BEFORE_THE_STALL:]:
        (await stack.client.change_user(ada.id, name=name)).ok()
    await stack.end_leases()
    await stack.start("user-consumer", instance=2)

    async def emitted() -> Sequence[str]:
        return names(await stack.records("user.updated", ada.id))

    await eventually(emitted, lambda told: told == NAMES)

    stalled.release()
    renewing.release()
    await starting
    # all is at rest already while what A has in hand is on its way: its repeats show that it woke up
    await eventually(emitted, lambda told: len(told) >= len(NAMES) + READ_BEFORE_THE_STALL)
    await at_rest(stack)

    told = await emitted()
    assert first_times(told) == NAMES
    assert told[len(NAMES) :] == NAMES[:READ_BEFORE_THE_STALL]
    assert (await stack.client.view_user(ada.id)).ok().body["name"] == NAMES[-1]


async def test_with_nobody_stalled_nothing_comes_twice(own_stack: Stack) -> None:
    stack = own_stack
    await stack.start("user-consumer", instance=2)
    users = await asyncio.gather(*(stack.given.user(f"User {n}") for n in range(10)))
    for name in NAMES:
        await asyncio.gather(*(stack.client.change_user(user.id, name=name) for user in users))
    await at_rest(stack)

    for user in users:
        assert names(await stack.records("user.updated", user.id)) == NAMES
