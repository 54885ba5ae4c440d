"""Events of every type by the thousand, and the messages that our own code makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import cycle, islice
from random import Random
from uuid import UUID

from contracts.event_schemas import ARCHIVE
from contracts.kit.sampling import Sampler
from contracts.kit.schemas import Json
from system.events import EVENTS
from system.kit.delivery import outbox
from system.kit.events import Cause, Event
from system.kit.ports.log import Message
from system.kit.values import dumps, loads

CAUSE = Cause(UUID(int=1), UUID(int=2), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
AT = datetime(2026, 1, 31, 8, tzinfo=UTC)


def messages(number: int, seed: int) -> Iterator[Message]:
    """Types take turns, each with values from the whole range that its schema allows."""
    random = Random(seed)
    samplers = [
        (event, Sampler(ARCHIVE.schema(event.type, event.schema_version), random))
        for event in EVENTS
    ]
    for event, sampler in islice(cycle(samplers), number):
        yield message_of(event_of(event, sampler.draw()))


def event_of(model: type[Event], payload: Json) -> Event:
    return model.model_validate(loads(dumps(consistent(payload))))


def consistent(payload: Json) -> Json:
    """What no schema can say: an event is about one order, and names whom that order names."""
    order = payload.get("order")
    if order is None:
        return payload
    agreed = payload | {"order_id": order["id"]}
    if "user_name" in payload:
        agreed["user_name"] = payload["user_name"] | {"id": order["user_id"]}
        ids = [item["product_id"] for item in order["items"]]
        agreed["product_names"] = [{"id": id, "name": "a lamp", "version": 1} for id in ids]
    return agreed


def message_of(event: Event) -> Message:
    """By the code path of every service: the outbox row, and what a relay makes of it."""
    return outbox.message(outbox.row(event, CAUSE, AT))
