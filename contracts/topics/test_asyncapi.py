"""The AsyncAPI document of the topics is valid, and says all that lies in them."""

from __future__ import annotations

import re

import pytest

from contracts.event_schemas import ARCHIVE
from contracts.kit import Incomplete
from contracts.kit.asyncapi import Json, faults
from contracts.kit.judge import Compile, fast, thorough
from contracts.topics import asyncapi, channels
from system.events import EVENTS, TOPICS, OrderPaid
from system.kit.events import Event
from system.kit.values import dumps
from system.table import SHOP, TABLE

DOCUMENT = asyncapi.committed()
MESSAGES = DOCUMENT["components"]["messages"]


def test_the_file_says_what_the_code_says() -> None:
    assert asyncapi.document() == DOCUMENT, "run: python -m contracts write"


def test_it_is_valid_and_refers_to_nothing_that_is_not_there() -> None:
    assert list(faults(DOCUMENT)) == []


def test_every_topic_is_a_channel_and_no_other() -> None:
    assert DOCUMENT["channels"].keys() == set(SHOP.all_topics)
    assert set(SHOP.topics) == set(TOPICS)  # the table has each event, and the language too


def test_an_event_without_a_row_is_told_with_what_to_add() -> None:
    without = [row for row in TABLE if row.event is not OrderPaid]
    told = "OrderPaid: no topic is made of an event without a row: add row(OrderPaid, …) to system/table.py"
    with pytest.raises(Incomplete, match=re.escape(told)):
        channels.channels(without)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_every_version_of_an_event_is_a_message_that_says_what_its_file_says(
    event: type[Event],
) -> None:
    for version in ARCHIVE.versions(event.type):
        message = MESSAGES[f"{event.type}.v{version}"]
        said = _written_out(message["payload"], DOCUMENT["components"]["schemas"])
        assert said == _written_out(ARCHIVE.schema(event.type, version), {})


def _written_out(schema: Json, pieces: Json) -> Json:
    """The schema with every piece in its place, without its own name."""
    pieces = pieces or schema.get("$defs", {})

    def within(node: object) -> object:
        match node:
            case {"$ref": str(reference), **more}:
                found = within(pieces[reference.rpartition("/")[2]])
                assert isinstance(found, dict)
                return {**found, **more}
            case dict():
                return {
                    key: within(value)
                    for key, value in node.items()
                    if key not in ("$defs", "$id", "$schema")
                }
            case list():
                return [within(each) for each in node]
            case _:
                return node

    made = within(schema)
    assert isinstance(made, dict)
    return made


@pytest.mark.parametrize("compile", [thorough, fast], ids=["jsonschema", "jsonschema_rs"])
def test_every_example_is_what_it_is_an_example_of(compile: Compile) -> None:
    judge = asyncapi.judge(compile)
    wrong = {
        name: found
        for topic, channel in DOCUMENT["channels"].items()
        for name in channel["messages"]
        for example, key in zip(
            MESSAGES[name]["examples"],
            MESSAGES[name]["bindings"]["kafka"]["key"]["examples"],
            strict=True,
        )
        if (
            found := list(
                judge.faults(
                    topic,
                    key.encode(),
                    _bytes(example["payload"]),
                    [(header, text.encode()) for header, text in example["headers"].items()],
                )
            )
        )
    }

    assert wrong == {}
    assert judge.seen == dict.fromkeys(MESSAGES, 1)


def _bytes(payload: object) -> bytes:
    return payload.encode() if isinstance(payload, str) else dumps(payload)
