"""Three brokers: each topic is on all of them, and an event on two before it is acknowledged."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import AsyncExitStack

from chaos.kit.history import Op
from chaos.kit.servers.lines import SILENCE
from chaos.kit.servers.partitions import NONE, Place
from chaos.kit.servers.scenario import Course, Scenario
from chaos.real.scenarios.outages import killed
from chaos.real.stage import Stage
from chaos.real.system_under_test import BROKERS
from scenarios.harness.servers import Kafka
from scenarios.harness.servers.mysql import DATABASE
from system.kit.ports.partitioner import partition_number
from system.table import SHOP

THREE = 3
TOPIC = "order.created"
TOPICS = (*SHOP.all_topics, "__consumer_offsets")
WARM_S = 2.0
ALONE_S = 3.0
"""Time for a relay to send an event, and far less than a broker may lag and be counted as in sync, 30 s."""
AWAY_S = 8.0
"""Longer than a relay waits for one publication, 5 s."""
REFUSED_WITHIN_S = 30.0
"""A broker is away for the controller after 3 s."""
LOOK_S = 0.5
REFUSED = re.compile(r"NotEnoughReplicasException: .* for partition (\S+),")


async def _three_brokers(stage: Stage, course: Course) -> None:
    before = await stage.letters()
    async with stage.flow.at(8):
        await asyncio.sleep(WARM_S)
        await _leader_killed(stage, course)
    async with stage.flow.at(8):
        await _too_few_in_sync(stage, course)
    course.holds(await stage.letters() == before, "no new dead letter")


async def _leader_killed(stage: Stage, course: Course) -> None:
    """The leader of a partition is killed, and no other broker has its last event.

    1. The other brokers hear nothing from it any more, and still count as in sync.
    2. An event is sent to it. Were that acknowledged, it would be lost from now on.
    3. It is killed, and another one leads.
    """
    place, leader = await stage.until(lambda: _led(stage), "a broker that leads, and controls not")
    what = f"the other brokers hear nothing from {leader.name}, which leads {place}"
    async with AsyncExitStack() as silent:
        silent.enter_context(course.fault(what))
        await silent.enter_async_context(
            stage.lines.with_toxics(*SILENCE, client=BROKERS, server=leader.name)
        )
        placed = await _placed_in(stage, place)
        await asyncio.sleep(ALONE_S)
        async with killed(course, leader):
            await silent.aclose()

            async def successor() -> int:
                now = (await stage.copies([place.topic])).get(place)
                return now.leader if now and now.leader not in (NONE, leader.node) else 0

            node = await stage.look_for(successor, within_s=REFUSED_WITHIN_S)
            course.saw(node, f"{place} was led by {leader.name}, and then by kafka-{node}")
            await stage.until_shown(placed)
            course.holds(True, f"an order whose event {leader.name} alone had been sent is shown")
            await stage.recovers(course)
    await stage.until(lambda: _in_sync(stage, THREE), f"{leader.name} has everything again")


async def _led(stage: Stage) -> tuple[Place, Kafka] | None:
    """A partition that is led by a broker which can be killed: one that is not the controller, too."""
    brokers = {broker.node: broker for broker in stage.servers.brokers[1:]}
    for place, copies in (await stage.copies([TOPIC])).items():
        if copies.leader in brokers:
            return place, brokers[copies.leader]
    return None


async def _placed_in(stage: Stage, place: Place) -> Op:
    """An order whose first event goes into this partition."""
    count = len(await stage.copies([place.topic]))

    async def placed() -> Op | None:
        op = await stage.place()
        key = str(op.json["id"]).encode() if op.ok else b""
        return op if partition_number(key, count) == place.number else None

    op: Op = await stage.until(placed, f"an order in {place}")
    return op


async def _too_few_in_sync(stage: Stage, course: Course) -> None:
    """Two of three are away: the third takes no event, for it would be the only one that has it."""
    alone, *others = stage.servers.brokers
    refused_before = _refused(alone)
    async with killed(course, *others):
        placed = [await stage.place() for _ in range(5)]
        course.holds(all(op.status == 201 for op in placed), "five orders are taken with 201")

        async def refused() -> Counter[str]:
            return _refused(alone) - refused_before

        found = await stage.look_for(refused, within_s=REFUSED_WITHIN_S, every_s=LOOK_S)
        await asyncio.sleep(AWAY_S)
        found = await refused()
        course.saw(
            any(name.startswith(f"{TOPIC}-") for name in found),
            f"{alone.name} refused {found.total()} batches with NOT_ENOUGH_REPLICAS:"
            f" {', '.join(sorted(found))}",
        )
        unsent = await _unsent(stage, placed)
        course.holds(unsent == len(placed), f"the events of all {unsent} wait in the outbox")
    await stage.until(lambda: _in_sync(stage, THREE - 1), "two brokers are in sync again")
    await stage.recovers(course)
    for op in placed:
        await stage.until_shown(op)
    await stage.until(lambda: _in_sync(stage, THREE), "all brokers are in sync again")


def _refused(broker: Kafka) -> Counter[str]:
    """How often each partition did not take what it was sent, as its broker's own log says."""
    assert broker.folder is not None, "it runs"
    log = (broker.folder / "server.log").read_text(errors="replace")
    return Counter(REFUSED.findall(log))


async def _unsent(stage: Stage, placed: list[Op]) -> int:
    keys = ", ".join(f"'{op.json['id']}'" for op in placed)
    return int(
        await stage.sql(
            f"SELECT COUNT(*) FROM {DATABASE}.outbox WHERE event_type = '{TOPIC}'"  # noqa: S608
            f" AND message_key IN ({keys}) AND processed_at IS NULL"
        )
    )


async def _in_sync(stage: Stage, count: int) -> bool:
    """Whether each partition is on so many brokers: then all of them take events."""
    found = await stage.copies(TOPICS)
    return bool(found) and all(len(copies.in_sync) >= count for copies in found.values())


ALL = (
    Scenario(
        "three-brokers",
        "A leader is killed, then two of three brokers are away: events wait, and none is lost.",
        _three_brokers,
        brokers=THREE,
    ),
)
