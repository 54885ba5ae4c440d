"""What the system writes is what the schemas say, and what the schemas say the system reads."""

from __future__ import annotations

import json
from decimal import Decimal
from random import Random

import pytest
from jsonschema import Draft202012Validator

from contracts.event_samples import consistent, event_of, message_of, messages
from contracts.event_schemas import ARCHIVE, EVENT_TYPES
from contracts.kit.sampling import Sampler
from contracts.kit.schemas import MessageType, validator
from system.events import BY_TYPE, Product
from system.kit.delivery import outbox
from system.kit.values import PRICE_MAX, from_cents

EACH = pytest.mark.parametrize("event", EVENT_TYPES, ids=lambda event: event.name)


def closed_validators() -> dict[str, Draft202012Validator]:
    return {
        event.name: validator(ARCHIVE.closed(event.name, event.version)) for event in EVENT_TYPES
    }


def test_what_is_sent_keeps_its_schema_and_has_no_field_beyond_it() -> None:
    judges = closed_validators()
    seen = set()
    for message in messages(1_400, seed=1):
        judges[message.topic].validate(json.loads(message.value))
        seen.add(message.topic)
    assert seen == judges.keys()


@EACH
def test_a_consumer_reads_whatever_the_schema_allows(event: MessageType) -> None:
    sampler = Sampler(ARCHIVE.schema(event.name, event.version), Random(2))
    model = BY_TYPE[event.name]
    for _ in range(100):
        sent = event_of(model, consistent(sampler.draw()))
        assert outbox.decode(message_of(sent), BY_TYPE).event == sent


def test_every_price_is_accepted_by_a_validator_that_computes_with_floats() -> None:
    schema = ARCHIVE.schema("product.created", 1)["$defs"]["Product"]["properties"]["price"]
    judge = validator(schema)
    random = Random(3)
    cents = [*range(30_000), *(random.randrange(int(PRICE_MAX * 100)) for _ in range(30_000))]

    refused = [c for c in cents if not judge.is_valid(json.loads(f"{from_cents(c):.2f}"))]

    assert refused == []
    assert judge.is_valid(float(PRICE_MAX))
    assert not judge.is_valid(float(PRICE_MAX + Decimal("0.01")))
    assert Product.model_json_schema()["properties"]["price"]["maximum"] == float(PRICE_MAX)
