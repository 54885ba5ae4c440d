"""Runs a consumer on one message: its real decoding and handler or projections, on real stores.

Before its consumer has it, each event is taken by `recorded`, so that its reads are known. Time is
virtual, so nothing waits, and identities are the same in each run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import zip_longest

from sqlalchemy import insert, select

from contracts.kit.pacts.reads import Path, recorded
from contracts.messages.stories import AT, Effect, Fields, Rows, Shown, Written
from scenarios.delivery.bench import CAUSE, Bench, bench
from system.events import BY_TYPE
from system.kit import logs
from system.kit.columns import metadata
from system.kit.delivery import outbox
from system.kit.delivery.failures import Failure
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.delivery.middleware.decoded import decoded
from system.kit.delivery.middleware.handled import handled
from system.kit.delivery.middleware.inboxed import inboxed
from system.kit.delivery.middleware.projected import projected
from system.kit.delivery.middleware.transactional import transactional
from system.kit.errors import Refused
from system.kit.events import Event
from system.kit.http.route import Request
from system.kit.ports.log import Message, Partition, Record
from system.kit.ports.views import Generations
from system.kit.steps import chain
from system.kit.values import dumps, loads
from system.kit.views import api as query_api
from system.roles import QUERY_CONSUMER, ROLES
from system.table import SHOP, VIEWS

CORRELATION_ID = "00000000-0000-4000-8000-00000000000c"
CAUSATION_ID = "00000000-0000-4000-8000-00000000000a"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

_WHEN: Fields = {"created_at": AT, "updated_at": AT}
ROWS: Rows = {
    "users": [{"id": 1, "name": "Ada", "email": "ada@example.com", "version": 1, **_WHEN}],
    "products": [{"id": 2, "name": "Lamp", "price": Decimal("19.90"), "version": 1, **_WHEN}],
}
"""What is there before every message."""
_REST: Mapping[str, Fields] = {
    "orders": {
        "user_id": 1,
        "paid": False,
        "total_amount": Decimal("39.80"),
        "payment_method": None,
        "cancel_reason": None,
        "refund_due": False,
        "reservation_version": 0,
        **_WHEN,
    }
}
"""Per table, what a row has that a story does not name."""


def headers_of(event: Event, *, is_caused: bool) -> dict[str, str]:
    """What a consumer expects beside an event."""
    headers = {
        "event-type": event.type,
        "schema-version": str(event.schema_version),
        "correlation-id": CORRELATION_ID,
        "traceparent": TRACEPARENT,
    }
    return {**headers, "causation-id": CAUSATION_ID} if is_caused else headers


def message_of(event: Event, headers: Mapping[str, str]) -> Message:
    key = str(event.key).encode()
    encoded = tuple((name, value.encode()) for name, value in headers.items())
    return Message(event.type, key, dumps(event.model_dump()), encoded)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message: its effect, as far as the expected one names it, and its reads."""

    effect: Effect
    reads: frozenset[Path]
    emitted_headers: Sequence[Mapping[str, str]] = field(default=())


class Unreadable(AssertionError):
    """A consumer cannot decode a message of its own pact."""


async def run(consumer: str, message: Message, expected: Effect) -> Outcome:
    """Give a message to a consumer, after what the expected effect names as there before."""
    async with bench() as at:
        match expected:
            case Written():
                return await _write(consumer, message, expected, at)
            case Shown():
                return await _show(message, expected, at)


# --- write side -----------------------------------------------------------------------------------


async def _write(consumer: str, message: Message, expected: Written, at: Bench) -> Outcome:
    async with at.parts.work() as unit:
        for table, before in {**ROWS, **expected.before}.items():
            filled = [{**_REST.get(table, {}), **row} for row in before]
            await unit.sql.execute(insert(metadata.tables[table]), filled)
    reads: set[Path] = set()
    around: list[Middleware] = [
        *_read(consumer, at, reads),
        transactional(at.parts.work, at.parts.world),
        inboxed(consumer, at.metrics),
    ]
    await _give(message, chain(around, handled(SHOP.handlers_of(consumer)[message.topic])))
    rows = {table: await _rows(table, wanted, at) for table, wanted in expected.rows.items()}
    messages = await _emitted(at)
    fields = _named_each(
        [loads(sent.value) for sent in messages], [wanted for _, wanted in expected.emitted]
    )
    emitted = [(BY_TYPE[sent.topic], has) for sent, has in zip(messages, fields, strict=True)]
    return Outcome(
        replace(expected, rows=rows, emitted=emitted),
        frozenset(reads),
        [{name: value.decode() for name, value in sent.headers} for sent in messages],
    )


async def _rows(table: str, wanted: Sequence[Fields], at: Bench) -> list[Fields]:
    async with at.parts.work() as unit:
        found = await unit.sql.execute(select(metadata.tables[table]))
        return _named_each([dict(row._mapping) for row in found], wanted)


async def _emitted(at: Bench) -> list[Message]:
    async with at.parts.work() as unit:
        return [
            unsent.message
            for spec in ROLES
            if spec.relays is not None
            for unsent in await outbox.unsent(unit.sql, spec.relays, limit=100)
        ]


# --- query side -----------------------------------------------------------------------------------


async def _show(message: Message, expected: Shown, at: Bench) -> Outcome:
    await at.parts.views.switch(Generations(), Generations(live=1, last=1))
    for event in expected.before:
        before = message_of(event, headers_of(event, is_caused=False))
        await _give(before, _projecting(before.topic, at, set()))
    reads: set[Path] = set()
    await _give(message, _projecting(message.topic, at, reads))
    documents = {
        path: await _document(path, wanted, at) for path, wanted in expected.documents.items()
    }
    return Outcome(replace(expected, documents=documents), frozenset(reads))


def _projecting(topic: str, at: Bench, reads: set[Path]) -> Step:
    last = projected(
        SHOP.projections[topic],
        at.parts.views.generation(1),
        is_read=lambda: True,
        world=at.parts.world,
        metrics=at.metrics,
    )
    return chain(_read(QUERY_CONSUMER, at, reads), last)


async def _document(path: str, wanted: Fields | None, at: Bench) -> Fields | None:
    """What the query API answers."""
    view, id = path.split("/")
    routes = {route.path: route for route in query_api.routes(at.parts.views, VIEWS)}
    try:
        answer = await routes[f"/{view}/{{id}}"].run(Request(CAUSE, id=int(id)))
    except Refused as refused:
        if refused.name != "not-found":
            raise
        return None
    return _named(loads(answer.body), wanted)


# --- both -----------------------------------------------------------------------------------------


def _read(consumer: str, at: Bench, reads: set[Path]) -> list[Middleware]:
    """The real decoding, and behind it what records all that is read of the event from there on."""

    async def park(record: Record, failure: Failure) -> None:
        raise Unreadable(f"{consumer} cannot decode {record.message.topic}: {failure.text}")

    def recording(step: Step) -> Step:
        async def record(batch: Batch) -> None:
            envelopes = [
                replace(envelope, event=recorded(envelope.event, reads))
                for envelope in batch.envelopes
            ]
            await step(replace(batch, envelopes=tuple(envelopes)))

        return record

    logger = logs.logger(consumer)
    decoding = decoded(
        consumer, park, lifespan=at.lifespan, world=at.parts.world, logger=logger, events=BY_TYPE
    )
    return [decoding, recording]


def _named_each(found: Sequence[Fields], wanted: Sequence[Fields]) -> list[Fields]:
    """Each cut to what is named of its like; one that has no like is left whole."""
    return [_named(each, like) for each, like in zip_longest(found, wanted) if each is not None]


def _named(found: Fields, wanted: Fields | None) -> Fields:
    return found if wanted is None else {name: found.get(name) for name in wanted}


async def _give(message: Message, step: Step) -> None:
    await step(Batch((Record(message, Partition(message.topic, 0), 0, 0),)))
