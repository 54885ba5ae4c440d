"""One message of every type and version, as it was sent then, comes to the same effects today.

The archive is one story: a user's orders of ten phones, of which order 1 is paid and under way, order 2
canceled, order 3 refused by the stock, and order 4 removed. It is replayed on the running system, by
every consumer's real handlers and projections.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from contracts.event_archive import golden
from contracts.event_schemas import ARCHIVE, EVENT_TYPES
from scenarios.harness.settled import eventually
from scenarios.harness.stack import Stack, StackOptions, embedded
from system.events import BY_TYPE
from system.kit.delivery import outbox
from system.kit.delivery.inbox import processed_events
from system.kit.delivery.middleware.handled import Handler
from system.kit.delivery.middleware.projected import Projection
from system.kit.events import Envelope
from system.kit.ports.views import Put
from system.kit.ports.work import UnitOfWork
from system.kit.table import Row
from system.products.store import reservations, stock
from system.roles import QUERY_CONSUMER
from system.table import TABLE, VIEWS

pytestmark = pytest.mark.usefixtures("quiet")

REACTS = {(consumer, row.event.type) for row in TABLE for consumer in row.reacts}
CONSUMERS = sorted({consumer for consumer, _ in REACTS} | {QUERY_CONSUMER})


def test_it_has_every_version_of_every_type() -> None:
    assert len(golden()) == sum(len(ARCHIVE.versions(event.name)) for event in EVENT_TYPES)
    for event in EVENT_TYPES:
        assert ARCHIVE.versions(event.name) == tuple(range(1, event.version + 1))


@pytest.mark.parametrize("message", golden(), ids=lambda message: message.topic)
def test_each_is_an_event_of_today(message: Any) -> None:
    event = outbox.decode(message, BY_TYPE).event

    assert type(event) is BY_TYPE[message.topic]


async def delivered(stack: Stack) -> None:
    """The phones are there, as events do not put them into stock; then come the golden messages."""
    (await stack.client.offer("iPhone 15", Decimal("5999.99"), 10)).ok(201)
    await stack.settled()
    await stack.deliver(*golden())
    await stack.settled()


async def effects(stack: Stack) -> dict[str, Any]:
    """What reservations, stock and views have come to."""
    return {
        "reservations": {
            row["order_id"]: (row["state"], row["version"])
            for row in await stack.rows(reservations)
        },
        "stock": {row["product_id"]: row["on_hand"] for row in await stack.rows(stock)},
        "views": await shown(stack),
    }


async def shown(stack: Stack) -> dict[str, Any]:
    return {view.name: await stack.client.all_views(view.name) for view in VIEWS}


async def letters(stack: Stack) -> dict[str, list[Any]]:
    return {consumer: await stack.letters(consumer) for consumer in CONSUMERS}


async def test_every_consumer_handles_all_of_it_and_parks_nothing() -> None:
    async with embedded(StackOptions()) as stack:
        await delivered(stack)

        assert not any((await letters(stack)).values())
        handled = {
            (row["event_id"], row["service_name"]) for row in await stack.rows(processed_events)
        }
        assert {
            (str(outbox.decode(message, BY_TYPE).event.event_id), consumer)
            for message in golden()
            for consumer, topic in REACTS
            if topic == message.topic
        } <= handled


async def test_it_comes_to_what_it_came_to_then() -> None:
    async with embedded(StackOptions()) as stack:
        await delivered(stack)
        found = await effects(stack)

        # orders 2 and 4 ended before their creation was known, and order 3's was never told
        assert found["reservations"] == {
            1: ("reserved", 1),
            2: ("rejected", 1),
            4: ("rejected", 1),
        }
        assert found["stock"] == {1: 8}
        (order,) = found["views"]["orders"]
        assert (order["id"], order["status"], order["paid"]) == (1, "PROCESSING", True)
        assert (order["user_name"], order["reservation"]) == ("João Silva", "reserved")
        assert [user["email"] for user in found["views"]["users"]] == ["joao.silva@example.com"]
        assert [product["price"] for product in found["views"]["products"]] == [Decimal("5799.99")]


async def test_views_rebuilt_from_it_are_the_same() -> None:
    async with embedded(StackOptions()) as stack:
        await delivered(stack)
        before = await shown(stack)

        (await stack.client.rebuild()).ok(202)
        await eventually(stack.client.rebuild_progress, lambda seen: seen.body["building"] is None)

        assert (await stack.client.rebuild_progress()).ok().body["failure"] is None
        assert await shown(stack) == before


@dataclass
class Broken:
    """All handlers and projections of the system, which fail until they are mended."""

    is_broken: bool = False

    def table(self) -> Sequence[Row]:
        return [
            replace(
                row,
                reacts={name: self._handler(handler) for name, handler in row.reacts.items()},
                shows=[self._projection(projection) for projection in row.shows],
            )
            for row in TABLE
        ]

    def _handler(self, handler: Handler) -> Handler:
        async def broken(batch: Sequence[Envelope[Any]], unit: UnitOfWork) -> None:
            self._fail()
            await handler(batch, unit)

        return broken

    def _projection(self, projection: Projection) -> Projection:
        def broken(event: Any) -> Iterable[Put]:
            self._fail()
            return projection(event)

        return broken

    def _fail(self) -> None:
        if self.is_broken:
            raise RuntimeError("broken")


async def test_dead_letters_of_it_have_the_same_effects_once_they_are_replayed() -> None:
    async with embedded(StackOptions()) as stack:
        await delivered(stack)
        wanted = await effects(stack)

    broken = Broken()
    async with embedded(StackOptions(table=broken.table())) as stack:
        (await stack.client.offer("iPhone 15", Decimal("5999.99"), 10)).ok(201)
        await stack.settled()
        broken.is_broken = True
        await stack.deliver(*golden())
        await stack.settled()
        parked = await letters(stack)
        assert {letter["error"] for found in parked.values() for letter in found} == {"broken"}
        assert sorted(
            (consumer, letter["topic"]) for consumer, found in parked.items() for letter in found
        ) == sorted(
            (consumer, message.topic)
            for message in golden()
            for consumer in CONSUMERS
            if consumer == QUERY_CONSUMER or (consumer, message.topic) in REACTS
        )

        broken.is_broken = False
        for consumer, found in parked.items():
            if found:
                ids = [letter["id"] for letter in found]
                (await stack.client.replay(consumer, ids)).ok()
        await stack.settled()

        assert not any((await letters(stack)).values())
        assert await effects(stack) == wanted
