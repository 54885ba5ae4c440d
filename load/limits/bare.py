"""Loops over the outbox, the topics and the views without the guarantees.

Each runs until it has done so many, and notes its progress as the system's own part does.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import aiomysql
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner
from pymongo import AsyncMongoClient, UpdateOne, WriteConcern

from scenarios.harness.namespace import Place
from system.kit.events import PARTITIONS
from system.settings import Settings

PAGE = 500
BATCH_BYTES = 900_000
AT = "2026-01-31 08:00:00"

Note = Callable[[int], None]
"""Takes how many more are done; 0 when the first batch is there, which starts the clock."""
Row = tuple[Any, ...]  # as the driver gives it

UNSENT = (
    "SELECT id, event_type, message_key, payload, headers FROM outbox"
    " WHERE aggregate = 'order' AND processed_at IS NULL AND id > {} ORDER BY id LIMIT {}"
)
MARK = "UPDATE outbox SET processed_at = '{}' WHERE id IN ({})"
INBOX = "INSERT INTO processed_events (event_id, service_name, processed_at) VALUES "
RESERVATIONS = "INSERT INTO reservations (order_id, state, version, `lines`) VALUES "
STOCK = (
    "UPDATE stock SET on_hand = on_hand - CASE product_id {} END,"
    " version = version + CASE product_id {} END WHERE product_id IN ({})"
)
OUTBOX = (
    "INSERT INTO outbox (aggregate, lane, event_type, message_key, payload, headers, created_at)"
    " VALUES "
)
NOTE = "UPDATE orders SET reservation = 'reserved', reservation_version = 1 WHERE id IN ({})"


@asynccontextmanager
async def database(place: Place) -> AsyncIterator[aiomysql.Connection]:
    url = place.within(Settings(), instance="bare").mysql_url()
    connection = await aiomysql.connect(
        host=url.host,
        port=url.port,
        user=url.username,
        password=str(url.password or ""),
        db=url.database,
    )
    try:
        yield connection
    finally:
        connection.close()


@asynccontextmanager
async def producer(place: Place) -> AsyncIterator[AIOKafkaProducer]:
    made = AIOKafkaProducer(
        bootstrap_servers=list(place.servers.kafka_brokers),
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
    )
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


@asynccontextmanager
async def consumer(place: Place, group: str, *topics: str) -> AsyncIterator[AIOKafkaConsumer]:
    made = AIOKafkaConsumer(
        *(f"{place.prefix}.{topic}" for topic in topics),
        bootstrap_servers=list(place.servers.kafka_brokers),
        group_id=f"{place.prefix}.{group}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


# --- relay ------------------------------------------------------------------------------------


async def relay(place: Place, events: int, note: Note) -> None:
    """Send a page, while the next one is read and the last one is marked."""
    async with database(place) as reading, database(place) as marking, producer(place) as kafka:

        async def mark(rows: Sequence[Row]) -> None:
            if rows:
                await _run(marking, MARK.format(AT, ",".join(str(row[0]) for row in rows)))
                await marking.commit()
                note(len(rows))

        sent = 0
        last: Sequence[Row] = ()
        page = await _rows(reading, UNSENT.format(0, PAGE))
        note(0)
        while sent < events:
            _, _, ahead = await asyncio.gather(
                send(kafka, place, page),
                mark(last),
                _rows(reading, UNSENT.format(page[-1][0], PAGE)),
            )
            sent += len(page)
            last, page = page, ahead
        await mark(last)


async def send(kafka: AIOKafkaProducer, place: Place, rows: Sequence[Row]) -> None:
    """One batch for each partition, all of them acknowledged."""
    by_partition: defaultdict[tuple[str, int], list[Row]] = defaultdict(list)
    numbers = list(range(PARTITIONS))
    choose = DefaultPartitioner()
    for row in rows:
        by_partition[row[1], choose(row[2].encode(), numbers, numbers)].append(row)
    await asyncio.gather(
        *(_send_batch(kafka, place, *where, batch) for where, batch in by_partition.items())
    )


async def _send_batch(
    kafka: AIOKafkaProducer, place: Place, topic: str, number: int, rows: Sequence[Row]
) -> None:
    batch = kafka.create_batch()
    for _, _, key, payload, headers in rows:
        pairs = [(name, value.encode()) for name, value in orjson.loads(headers).items()]
        taken = batch.append(key=key.encode(), value=payload, timestamp=None, headers=pairs)
        assert taken is not None, "a page fits into one batch"
    await (await kafka.send_batch(batch, f"{place.prefix}.{topic}", partition=number))


# --- consumers --------------------------------------------------------------------------------


async def reserve(place: Place, events: int, note: Note) -> None:
    """Inbox, reservations, stock and outbox of a batch in one transaction; then send, and mark."""
    async with (
        database(place) as sql,
        producer(place) as kafka,
        consumer(place, "bare-reserve", "order.created") as topics,
    ):
        done = 0
        while done < events:
            batch = await _events(topics)
            note(0)
            await _run(sql, INBOX + _inbox("product-consumer", batch))
            rows = (
                f"({event['order_id']}, 'reserved', 1, x'{_lines(event).hex()}')" for event in batch
            )
            await _run(sql, RESERVATIONS + ",".join(rows))
            await _run(sql, _stock(batch))
            outbox = (
                f"('product', 'stock.reserved/0', 'stock.reserved', '{event['order_id']}',"
                f" x'{_reserved(event).hex()}', x'{_HEADERS.hex()}', '{AT}')"
                for event in batch
            )
            first = await _run(sql, OUTBOX + ",".join(outbox))
            await sql.commit()
            sent = [
                (
                    first + index,
                    "stock.reserved",
                    str(event["order_id"]),
                    _reserved(event),
                    _HEADERS,
                )
                for index, event in enumerate(batch)
            ]
            await send(kafka, place, sent)
            await _run(sql, MARK.format(AT, ",".join(str(row[0]) for row in sent)))
            await sql.commit()
            await topics.commit()
            done += len(batch)
            note(len(batch))


async def note_reservations(place: Place, events: int, note: Note) -> None:
    """Inbox and the orders of a batch in one transaction."""
    async with (
        database(place) as sql,
        consumer(place, "bare-note", "stock.reserved") as topics,
    ):
        done = 0
        while done < events:
            batch = await _events(topics)
            note(0)
            await _run(sql, INBOX + _inbox("order-consumer", batch))
            await _run(sql, NOTE.format(",".join(str(event["order_id"]) for event in batch)))
            await sql.commit()
            await topics.commit()
            done += len(batch)
            note(len(batch))


async def project(place: Place, events: int, note: Note) -> None:
    """Bulks of the same documents, by id alone: as many at once as there are partitions."""
    settings = place.within(Settings(), instance="bare")
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        settings.mongo_uri.get_secret_value()
    )
    async with client, consumer(place, "bare-view", "order.created") as topics:
        collection = client.get_default_database().get_collection(
            "bare_orders", write_concern=WriteConcern(w="majority", j=True)
        )
        done = 0
        while done < events:
            batch = sorted(await _events(topics), key=lambda event: int(event["order_id"]))
            note(0)
            parts = (batch[number::PARTITIONS] for number in range(PARTITIONS))
            writes = ([_put(event) for event in part] for part in parts if part)
            await asyncio.gather(*(collection.bulk_write(each, ordered=False) for each in writes))
            await topics.commit()
            done += len(batch)
            note(len(batch))


def _put(event: dict[str, Any]) -> UpdateOne:
    return UpdateOne(
        {"_id": event["order_id"]},
        {
            "$set": {
                "parts.self": event["order"],
                "versions.self": event["version"],
                "parts.names": {"user": event["user_name"], "products": event["product_names"]},
                "versions.names": event["version"],
            }
        },
        upsert=True,
    )


_HEADERS = orjson.dumps(
    {
        "event-type": "stock.reserved",
        "schema-version": "1",
        "correlation-id": "00000000-0000-4000-8000-000000000000",
        "causation-id": "00000000-0000-4000-8000-000000000000",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
)


async def _events(topics: AIOKafkaConsumer) -> list[dict[str, Any]]:
    """At least one event, at most a page."""
    while True:
        found = await topics.getmany(timeout_ms=1000, max_records=PAGE)
        events = [orjson.loads(record.value) for records in found.values() for record in records]
        if events:
            return events


def _inbox(service: str, events: Sequence[dict[str, Any]]) -> str:
    return ",".join(f"('{event['event_id']}', '{service}', '{AT}')" for event in events)


def _lines(event: dict[str, Any]) -> bytes:
    return orjson.dumps(
        {item["product_id"]: item["quantity"] for item in event["order"]["items"]},
        option=orjson.OPT_NON_STR_KEYS,
    )


def _stock(events: Sequence[dict[str, Any]]) -> str:
    taken: defaultdict[int, int] = defaultdict(int)
    moves: defaultdict[int, int] = defaultdict(int)
    for event in events:
        for item in event["order"]["items"]:
            taken[item["product_id"]] += item["quantity"]
            moves[item["product_id"]] += 1
    return STOCK.format(
        " ".join(f"WHEN {product} THEN {quantity}" for product, quantity in taken.items()),
        " ".join(f"WHEN {product} THEN {number}" for product, number in moves.items()),
        ",".join(map(str, sorted(taken))),
    )


def _reserved(event: dict[str, Any]) -> bytes:
    item = event["order"]["items"][0]
    return orjson.dumps(
        {
            "event_id": event["event_id"],
            "occurred_at": event["occurred_at"],
            "order_id": event["order_id"],
            "product_id": item["product_id"],
            "quantity": item["quantity"],
            "stock": 1_000_000,
            "stock_version": 1,
            "reservation": "reserved",
            "reservation_version": 1,
        }
    )


async def _rows(sql: aiomysql.Connection, statement: str) -> Sequence[Row]:
    async with sql.cursor() as cursor:
        await cursor.execute(statement)
        rows: Sequence[Row] = await cursor.fetchall()
    return rows


async def _run(sql: aiomysql.Connection, statement: str) -> int:
    """Run it; the id of its first row, if it has inserted any."""
    async with sql.cursor() as cursor:
        await cursor.execute(statement)
        return int(cursor.lastrowid or 0)


# --- all of it --------------------------------------------------------------------------------


@asynccontextmanager
async def pipeline(place: Place) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Commit a row, produce it, consume it, put it: call it, and it returns when that is done."""
    settings = place.within(Settings(), instance="bare")
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        settings.mongo_uri.get_secret_value()
    )
    waiting: dict[int, asyncio.Event] = {}
    numbers = count(1)
    async with (
        client,
        database(place) as sql,
        producer(place) as kafka,
        consumer(place, "bare-pipeline", "order.paid") as topics,
    ):
        collection = client.get_default_database().get_collection(
            "bare_pipeline", write_concern=WriteConcern(w="majority", j=True)
        )
        one_at_a_time = asyncio.Lock()  # of one connection

        async def through() -> None:
            number = next(numbers)
            waiting[number] = asyncio.Event()
            event = orjson.dumps({"id": number})
            row = f"('order', 'order.paid/0', 'order.paid', '{number}', x'{event.hex()}', x'{event.hex()}', '{AT}')"
            async with one_at_a_time:
                await _run(sql, OUTBOX + row)
                await sql.commit()
            topic = f"{place.prefix}.order.paid"
            await kafka.send_and_wait(topic, value=event, key=str(number).encode())
            await waiting[number].wait()

        async def project_all() -> None:
            while True:
                found = await topics.getmany(timeout_ms=1000, max_records=PAGE)
                ids = sorted(
                    orjson.loads(record.value)["id"]
                    for records in found.values()
                    for record in records
                )
                if not ids:
                    continue
                writes = [
                    UpdateOne({"_id": id}, {"$set": {"shown": True}}, upsert=True) for id in ids
                ]
                await collection.bulk_write(writes, ordered=False)
                for id in ids:
                    waiting[id].set()

        projecting = asyncio.create_task(project_all())
        try:
            yield through
        finally:
            projecting.cancel()
            await asyncio.wait((projecting,))
