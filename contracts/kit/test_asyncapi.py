"""An AsyncAPI document is valid, complete, and says what the channels and messages say."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from contracts.kit.asyncapi import (
    Channel,
    Example,
    Json,
    Message,
    Operation,
    Server,
    document,
    faults,
)
from contracts.kit.asyncapi_page import page


def letter(name: str, piece: Json) -> Message:
    return Message(
        name,
        "letter",
        "Somebody wrote.",
        headers={"type": "object", "properties": {"stamp": {"const": name}}, "required": ["stamp"]},
        payload={
            "$id": "https://example.com/letter",
            "type": "object",
            "properties": {
                "to": {"$ref": "#/$defs/Address"},
                "pages": {"type": "array", "items": {"$ref": "#/$defs/Page"}},
            },
            "required": ["to"],
            "$defs": {"Address": piece, "Page": {"type": "string"}},
        },
        key={"type": "string"},
        key_location="/to/street",
        correlation_header="thread",
        examples=[Example("Elm", {"stamp": name}, {"to": {"street": "Elm"}})],
    )


ADDRESS = {"type": "object", "properties": {"street": {"type": "string"}}, "required": ["street"]}
NEWER = {**ADDRESS, "properties": {"street": {"type": "string"}, "floor": {"type": "integer"}}}


def post(*messages: Message) -> Json:
    return document(
        {"title": "The post", "version": "1.0.0"},
        [Server("kafka", "localhost:9092", "Where it is.")],
        [Channel("letters", "letters", "All letters.", messages, 3, 1, {"retention.ms": -1})],
        [
            Operation("desk.send.letters", "desk", "send", "letters", "Sends."),
            Operation(
                "box.receive.letters", "box", "receive", "letters", "Reads.", {"const": "box"}
            ),
        ],
    )


@pytest.fixture
def valid() -> Json:
    return post(letter("letter.v1", ADDRESS))


def test_a_document_is_valid_by_the_official_schema(valid: Json) -> None:
    assert list(faults(valid)) == []


@pytest.mark.parametrize(
    ("break_it", "complaint"),
    [
        (lambda made: made.pop("info"), "'info' is a required property"),
        (lambda made: made["channels"]["letters"].update(adress="x"), "'adress' does not"),
        (
            lambda made: made["operations"]["desk.send.letters"].update(action="sell"),
            "'sell' is not one of",
        ),
        (
            lambda made: made["channels"]["letters"]["bindings"]["kafka"].update(partitions=0),
            "0 is less than the minimum",
        ),
        (
            lambda made: made["components"]["schemas"].pop("Address"),
            "#/components/schemas/Address is not there",
        ),
        (
            lambda made: made["channels"].pop("letters"),
            "#/channels/letters/messages/letter.v1 is not there",
        ),
        (
            lambda made: made["components"]["schemas"].update(X={"$ref": "other.json#/X"}),
            "other.json#/X is not there",
        ),
    ],
)
def test_what_is_wrong_with_it_is_found(valid: Json, break_it: Any, complaint: str) -> None:
    broken = deepcopy(valid)
    break_it(broken)

    assert complaint in "\n".join(faults(broken))


def test_a_piece_that_messages_share_is_written_once() -> None:
    twice = post(letter("letter.v2", ADDRESS), letter("letter.v1", ADDRESS))

    assert twice["components"]["schemas"].keys() == {
        "Address",
        "Page",
        "letter.v1.payload",
        "letter.v2.payload",
    }
    assert list(faults(twice)) == []


def test_a_piece_that_has_changed_is_called_after_its_message_too() -> None:
    both = post(letter("letter.v2", NEWER), letter("letter.v1", ADDRESS))
    schemas = both["components"]["schemas"]

    assert schemas["Address"] == NEWER
    assert schemas["letter.v1.Address"] == ADDRESS
    assert schemas["letter.v1.payload"]["properties"]["to"] == {
        "$ref": "#/components/schemas/letter.v1.Address"
    }
    assert list(faults(both)) == []


def test_a_schemas_own_name_is_left_out_for_references_would_start_from_it(valid: Json) -> None:
    assert "$id" not in valid["components"]["schemas"]["letter.v1.payload"]


def test_the_page_has_every_field_header_and_example(valid: Json) -> None:
    text = "\n".join(page(valid))

    for part in (
        "| `letters` | `to.street` | 3 | ever | desk | box |",
        '| `stamp` | yes | `"letter.v1"` |',
        "| `to.street` | yes | string |",
        "| `pages` | no | list of string |",
        "With the key `Elm`:",
        '"street": "Elm"',
    ):
        assert part in text
