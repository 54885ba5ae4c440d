"""Counts that no machine changes: what a fixed amount of work asks of the servers.

A rate depends on the machine, a count does not: when a change makes batches smaller or a page two
statements more, a gate says so on any machine, in one run. The work is queued beforehand.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import Any

import aiohttp
from aiokafka.conn import AIOKafkaConnection
from pymongo import monitoring
from sqlalchemy import event
from sqlalchemy.engine import Engine

from load.bench.figures import NOTES, PROJECTIONS, RELAY, RESERVATION, Backlogs, running
from load.bench.ground import PRODUCTS, Ground
from system.kit.values import dumps

EVENTS = 1_000
ORDERS = 100
KAFKA = {
    "ProduceRequest": "Kafka batches",
    "FetchRequest": "Kafka fetches",
    "OffsetCommitRequest": "Kafka commits of offsets",
}
"""The requests that follow the work. Heartbeats and metadata follow the clock."""

Counts = Mapping[str, int]

COUNTED = (
    RELAY,
    # without the relay, which sends what each commit rings for, as the machine's mood has it
    replace(RESERVATION, name="reservation", services=("product-consumer",), published=None),
    NOTES,
    PROJECTIONS,
)

GATES: Mapping[str, Counts] = {
    "relay, 1,000 events": {"SQL statements": 50, "SQL commits": 45, "Kafka batches": 15},
    "reservation, 1,000 events": {
        "SQL statements": 260,
        "SQL commits": 30,
        "Kafka commits of offsets": 25,
    },
    "notes of reservations, 1,000 events": {
        "SQL statements": 120,
        "SQL commits": 24,
        "Kafka commits of offsets": 25,
    },
    "projections, 1,000 events": {"view trips": 44, "Kafka commits of offsets": 25},
    "POST /orders, 100 at once": {"SQL statements": 24, "SQL commits": 4},
}
"""At most so many: about twice what is counted, for the loop's turns still cut batches here and
there, and a batch of one would be far above. Raise one only with a reason; lower it when a change
has made it smaller."""


@contextmanager
def counting(counter: Counter[str]) -> Iterator[None]:
    """Count what this process asks of its servers meanwhile."""

    def statement(*_: Any) -> None:  # SQLAlchemy's hooks take what each event has
        counter["SQL statements"] += 1

    def commit(*_: Any) -> None:
        counter["SQL commits"] += 1

    send = AIOKafkaConnection.send

    def counted(self: Any, request: Any, expect_response: bool = True) -> Any:  # it has no types
        name = KAFKA.get(type(request).__name__.partition("_v")[0])
        if name is not None:
            counter[name] += 1
        return send(self, request, expect_response)

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)
    AIOKafkaConnection.send = counted  # aiokafka has no hook for what it sends
    _views().active.append(counter)
    try:
        yield
    finally:
        _views().active.remove(counter)
        AIOKafkaConnection.send = send
        event.remove(Engine, "commit", commit)
        event.remove(Engine, "before_cursor_execute", statement)


class _Views(monitoring.CommandListener):
    """Counts the commands to the views' server; pymongo takes a listener for good."""

    def __init__(self) -> None:
        self.active: list[Counter[str]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        for counter in self.active:
            counter["view trips"] += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Counted when it began."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Counted when it began."""


@cache
def _views() -> _Views:
    """The one listener; it hears of the clients that are made after it."""
    listener = _Views()
    monitoring.register(listener)
    return listener


async def counted(ground: Ground, note: Callable[[str], None]) -> dict[str, Counts]:
    """What a thousand events of each backlog, and a hundred orders, ask of the servers."""
    _views()
    found: dict[str, Counts] = {}
    for backlog in COUNTED:
        counter: Counter[str] = Counter()
        async with ground.place() as place:
            made = Backlogs(place, place, ground)
            await backlog.drained(made, EVENTS, meanwhile=partial(counting, counter))
        found[f"{backlog.name}, {EVENTS:,} events"] = dict(counter)
    found[f"POST /orders, {ORDERS} at once"] = await _orders(ground)
    for name, counts in found.items():
        note(f"{name}: {told(counts)}")
    return found


def told(counts: Counts) -> str:
    return ", ".join(f"{number} {what}" for what, number in sorted(counts.items()))


async def _orders(ground: Ground) -> Counts:
    """A hundred orders that arrive while the first one's transaction is in flight."""
    counter: Counter[str] = Counter()
    async with ground.place() as place, place.parts(ground.settings, instance="bench") as parts:
        connector = aiohttp.TCPConnector(limit=0)
        async with (
            running("order-api", parts) as url,
            aiohttp.ClientSession(connector=connector) as session,
        ):

            async def order(product: int) -> None:
                item = {"product_id": product, "quantity": 1}
                body = dumps({"user_id": 1, "items": [item]})
                headers = {"Content-Type": "application/json"}
                async with session.post(f"{url}/orders", data=body, headers=headers) as answer:
                    assert answer.status == 201, await answer.text()

            await asyncio.gather(*(order(1) for _ in range(ORDERS)))  # connections are open
            with counting(counter):
                await asyncio.gather(*(order(number % PRODUCTS + 1) for number in range(ORDERS)))
    return dict(counter)


def over(found: Mapping[str, Counts]) -> Sequence[str]:
    """Each count above its gate, and each gate that nothing was counted for, in a line."""
    return [
        f"{name}: {found.get(name, {}).get(what, 0)} {what}, and at most {most} are allowed"
        for name, gate in GATES.items()
        for what, most in gate.items()
        if found.get(name, {}).get(what, 0) > most
    ] + [f"{name}: nothing was counted" for name in GATES if not found.get(name)]
