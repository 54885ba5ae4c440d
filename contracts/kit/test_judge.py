"""A message is judged by the kind that its headers say it is: its headers, its key, its payload."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.kit.asyncapi import Channel, Message, document
from contracts.kit.judge import Compile, Headers, Judge, fast, thorough


def kind(name: str, **headers: Any) -> Message:
    return Message(
        f"letter.{name}",
        name,
        "A letter.",
        headers={
            "type": "object",
            "properties": {"stamp": {"const": name}, **headers},
            "required": ["stamp"],
        },
        payload={
            "type": "object",
            "properties": {"to": {"$ref": "#/$defs/Address"}, name: {"type": "integer"}},
            "required": ["to"],
            "$defs": {
                "Address": {
                    "type": "object",
                    "properties": {"number": {"type": "integer"}},
                    "required": ["number"],
                }
            },
        },
        key={"type": "string", "pattern": "^[0-9]+$"},
        key_location="/to/number",
    )


BOUNCED = Message(
    "letter.bounced",
    "bounced",
    "Came back.",
    headers={
        "type": "object",
        "properties": {"stamp": {"const": "bounced"}, "why": {"type": "string"}},
        "required": ["stamp", "why"],
        "additionalProperties": True,
    },
    payload={},
    key={"type": "string"},
    content_type="application/octet-stream",
)
POST = document(
    {"title": "The post", "version": "1.0.0"},
    [],
    [
        Channel(
            "letters",
            "letters",
            "",
            [kind("small"), kind("large", weight={"type": "string"}), BOUNCED],
            3,
            1,
        )
    ],
    [],
)
SMALL: Headers = (("stamp", b"small"),)
GOOD = b'{"to": {"number": 7}, "small": 1}'


@pytest.fixture(params=[thorough, fast], ids=["jsonschema", "jsonschema_rs"])
def judge(request: pytest.FixtureRequest) -> Judge:
    compile: Compile = request.param
    return Judge.of(POST, {}, compile)


def complaints(
    judge: Judge,
    value: bytes = GOOD,
    *,
    key: bytes = b"7",
    headers: Headers = SMALL,
    topic: str = "letters",
) -> str:
    return "\n".join(judge.faults(topic, key, value, headers))


def test_what_is_as_it_should_be_is_passed_and_counted(judge: Judge) -> None:
    assert complaints(judge) == ""
    assert judge.seen == {"letter.small": 1}


def test_each_kind_is_told_by_its_headers(judge: Judge) -> None:
    large = (("stamp", b"large"), ("weight", b"9"))
    assert complaints(judge, b'{"to": {"number": 7}, "large": 1}', headers=large) == ""
    assert complaints(judge, GOOD, headers=large).startswith("payload: ")
    assert judge.seen == {"letter.large": 2}


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (b'{"to": {"number": 7}, "small": "1"}', "payload: $.small"),
        (b'{"to": {"number": 7}, "smal": 1}', "payload: "),
        (b'{"to": {"number": 7, "floor": 2}}', "payload: $.to"),
        (b'{"small": 1}', "payload: "),
        (b"[]", "payload: "),
        (b'{"to": ', "payload: "),
        (b"\xff", "payload: "),
        (b'{"to": {"number": 8}}', "key: '7' is not to.number, which is '8'"),
    ],
)
def test_a_wrong_payload_is_found(judge: Judge, value: bytes, place: str) -> None:
    assert complaints(judge, value).startswith(place)


@pytest.mark.parametrize(
    ("headers", "complaint"),
    [
        ((), "headers: "),
        ((("stamp", b"tiny"),), "headers: "),
        ((*SMALL, ("weight", b"9")), "headers: "),
        ((*SMALL, *SMALL), "a header comes twice"),
    ],
)
def test_wrong_headers_are_found(judge: Judge, headers: Headers, complaint: str) -> None:
    assert complaints(judge, headers=headers).startswith(complaint)


@pytest.mark.parametrize("key", [b"", b"seven", b"\xff"])
def test_a_wrong_key_is_found(judge: Judge, key: bytes) -> None:
    assert complaints(judge, key=key).startswith("key: ")


def test_an_unknown_topic_is_found(judge: Judge) -> None:
    assert complaints(judge, topic="postcards") == "there is no topic postcards"


def test_what_is_open_may_have_any_bytes_and_any_more_headers(judge: Judge) -> None:
    bounced = (("x", b"\xff"), ("x", b""), ("stamp", b"bounced"), ("why", b"moved"))
    assert complaints(judge, b"\xff\x00", headers=bounced, key=b"\xff") == ""
    assert complaints(judge, b"", headers=bounced[:3]).startswith("headers: ")


def test_a_file_of_its_own_takes_the_place_of_what_the_document_says() -> None:
    judge = Judge.of(POST, {"letter.small": {"type": "object", "required": ["from"]}}, thorough)
    assert complaints(judge).startswith("payload: $: 'from' is a required property")
