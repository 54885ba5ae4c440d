"""A field is renamed while the system runs, with producers and consumers of three versions.

The steps are those of `docs/events.md`: `user_name` of order.created becomes `customer`.

- the old version is the published one; its consumer is a model that is built from the published schema;
- the next has both names, so that consumers of either read it;
- the last has the new name alone: no consumer of an older version may run any more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from typing import Any, ClassVar, cast

import pytest
from sqlalchemy import update

from contracts.event_schemas import ARCHIVE
from contracts.kit.examples import example
from contracts.kit.published import files, objection, unread, unreadable
from contracts.kit.reader import model_of
from contracts.kit.schemas import Archive, Example, MessageType
from scenarios.harness.at_rest import at_rest
from scenarios.harness.stack import Stack, StackOptions, embedded, put_in
from system import orders
from system.events import BY_TYPE, Name, OrderCreated, OrderEvent
from system.kit.delivery import outbox
from system.kit.events import Event, Upcast
from system.kit.ports.views import Put
from system.kit.table import Row
from system.kit.values import loads
from system.roles import ROLES
from system.table import TABLE

pytestmark = pytest.mark.usefixtures("quiet")

TOPIC = OrderCreated.type
APIS = [spec.name for spec in ROLES if spec.name.endswith("-api")]
CONSUMERS = [spec.name for spec in ROLES if spec.name.endswith("-consumer")]


OLD = OrderCreated.schema_version
BOTH, NEW = OLD + 1, OLD + 2


def customer_beside_user_name(payload: dict[str, Any]) -> dict[str, Any]:
    return {**payload, "customer": payload["user_name"]}


def customer_alone(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name != "user_name"}


class Both(OrderCreated):
    """An order was placed."""

    schema_version = BOTH
    upcasts: ClassVar[Mapping[int, Upcast]] = {
        **OrderCreated.upcasts,
        OLD: customer_beside_user_name,
    }

    customer: Name


class Renamed(OrderEvent):
    """An order was placed."""

    type = TOPIC
    schema_version = NEW
    oldest_reader = NEW
    upcasts: ClassVar[Mapping[int, Upcast]] = {**Both.upcasts, BOTH: customer_alone}

    customer: Name
    product_names: tuple[Name, ...]


def names_of_customer(event: Both | Renamed) -> Iterable[Put]:
    """What the new consumer's code shows: `orders.views.names`, but by the new name."""
    fields = {
        "user": {"name": event.customer.name, "version": event.customer.version},
        "products": {
            str(known.id): {"name": known.name, "version": known.version}
            for known in event.product_names
        },
    }
    yield Put(orders.views.VIEW, event.order_id, "names", event.version, fields)


def published(version: int) -> type[Event]:
    """The event as it was published: a model that is made of the archived schema alone."""
    read = model_of(ARCHIVE.schema(TOPIC, version), base=Event)
    facts = {
        "type": TOPIC,
        "aggregate": OrderCreated.aggregate,
        "key_field": OrderCreated.key_field,
        "schema_version": version,
        "__module__": __name__,
    }
    return cast("type[Event]", type(read.__name__, (read,), facts))


Table = list[Row]


def consume(table: Table, model: type[Event]) -> None:
    """Let consumers that are started from now on be of this version."""
    new = hasattr(model, "model_fields") and "customer" in model.model_fields
    shows = [orders.views.order, names_of_customer if new else orders.views.names]
    table[:] = [
        replace(row, event=model, shows=shows) if row.event.type == TOPIC else row for row in TABLE
    ]


async def produce(stack: Stack, order_id: int, model: type[Event]) -> None:
    """Let the outbox hold what a producer of this version would have written there."""
    (message,) = await stack.unsent(TOPIC, order_id)
    envelope = outbox.decode(message, BY_TYPE)
    event = model.model_validate(model.upcast(loads(message.value), OLD))
    async with stack.work() as unit:
        row = outbox.row(event, envelope.cause, unit.now.at)
        table = outbox.outbox
        of_order = (table.c.event_type == TOPIC) & (table.c.message_key == str(order_id))
        await unit.sql.execute(
            update(table).where(of_order).values(payload=row["payload"], headers=row["headers"])
        )
    put_in.update(await stack.unsent(TOPIC, order_id))  # published for this scenario alone


@asynccontextmanager
async def placed(
    producer: type[Event], consumer: type[Event]
) -> AsyncIterator[tuple[Stack, int, Table]]:
    """An order by one version's producer; then the consumers start, with the other version."""
    table = list(TABLE)
    consume(table, consumer)
    async with embedded(StackOptions(table=table, roles=APIS)) as stack:
        ada, lamp = await stack.given.user("Ada"), await stack.given.product("Lamp", stock=10)
        order = await stack.given.order({lamp.id: 3}, user_id=ada.id)
        await produce(stack, order.id, producer)
        for role in CONSUMERS:
            await stack.start(role)
        await stack.settled()
        yield stack, order.id, table


async def comes_through(stack: Stack, order_id: int) -> None:
    """Reserved, shown with its names, and nothing parked; all accounts agree."""
    await at_rest(stack)
    shown = (await stack.client.view_order(order_id)).ok().body
    assert (shown["reservation"], shown["user_name"]) == ("reserved", "Ada")
    assert shown["items"][0]["product_name"] == "Lamp"
    assert [await stack.letters(consumer) for consumer in CONSUMERS] == [[]] * len(CONSUMERS)


@pytest.mark.parametrize(
    ("producer", "consumer"),
    [
        (published(OLD), Both),
        (published(OLD), Renamed),
        (Both, Renamed),
        (Both, published(OLD)),
        (Renamed, Renamed),
    ],
    ids=[
        "old producer, consumer of both",
        "old producer, new consumer",
        "producer of both, new consumer",
        "producer of both, old consumer",
        "new producer, new consumer",
    ],
)
async def test_an_order_comes_through(producer: type[Event], consumer: type[Event]) -> None:
    async with placed(producer, consumer) as (stack, order_id, _):
        (record,) = await stack.records(TOPIC, order_id)
        sent = record.message.header("schema-version")
        assert sent == str(producer.schema_version).encode()

        await comes_through(stack, order_id)


@pytest.mark.parametrize(
    "consumer", [published(OLD), Both], ids=["the old version", "the version of both"]
)
async def test_a_consumer_that_runs_too_long_loses_nothing(consumer: type[Event]) -> None:
    async with placed(Renamed, consumer) as (stack, order_id, table):
        for role in ("product-consumer", "query-consumer"):
            (letter,) = await stack.letters(role)
            assert letter["error"].startswith(
                f"no {TOPIC} of version {NEW}, read as {consumer.schema_version}: user_name "
            )

        consume(table, Renamed)
        for role in CONSUMERS:
            await stack.restart(role)
        for role in ("product-consumer", "query-consumer"):
            ids = [letter["id"] for letter in await stack.letters(role)]
            (await stack.client.replay(role, ids)).ok()
        await comes_through(stack, order_id)


# --- the checks that such a change goes through ---------------------------------------------------


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """A copy of what was published."""
    return Archive(copytree(ARCHIVE.folder, tmp_path / "events"), ARCHIVE.base)


def message_type(model: type[Event], oldest_reader: int | None = None) -> MessageType:
    return MessageType(
        TOPIC, model.schema_version, model, oldest_reader or model.oldest_reader, model.upcasts
    )


def publish(archive: Archive, message: MessageType) -> None:
    assert objection(archive, message) is None
    for path, text in files(archive, [message], _example).items():
        path.write_text(text, encoding="utf-8")


def _example(message: MessageType) -> Example:
    return Example("1", {}, example(message.model.model_json_schema(mode="serialization")))


def test_each_step_passes_the_checks_of_contracts(archive: Archive) -> None:
    for model in (Both, Renamed):
        message = message_type(model)
        publish(archive, message)
        assert (unread(archive, message), unreadable(archive, message)) == ([], [])


def test_the_last_step_does_not_while_older_consumers_may_run(archive: Archive) -> None:
    publish(archive, message_type(Both))
    publish(archive, too_early := message_type(Renamed, oldest_reader=OLD))

    assert unreadable(archive, too_early) == [
        f"a consumer of v{old} cannot read what v{NEW} sends: /user_name: v{NEW} does not have it,"
        f" v{old} requires it"
        for old in (OLD, BOTH)
    ]
