"""What a reader refuses of what a writer may send: each rule, and the place where it is broken."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

import pytest

from contracts.kit.compatibility import Side, Unjudged, refusals
from contracts.kit.schemas import Json

WHOLE: Json = {"type": "integer"}
TEXT: Json = {"type": "string"}


def record(required: str = "", **properties: Any) -> Json:
    return {"type": "object", "properties": properties, "required": required.split()}


def found(writer: Json, reader: Json) -> list[str]:
    return [str(one) for one in refusals(Side("v1", writer), Side("v2", reader))]


SAME_OR_WIDER = {
    "the same": (record("a", a=WHOLE), record("a", a=WHOLE)),
    "a field that the reader does not know": (record("a b", a=WHOLE, b=TEXT), record("a", a=WHOLE)),
    "an optional field that the writer does not know": (record(), record(b=TEXT)),
    "a field that need not be there any more": (record("a", a=WHOLE), record(a=WHOLE)),
    "a whole number for any number": (WHOLE, {"type": "number"}),
    "one more value": ({"enum": ["a"]}, {"enum": ["b", "a"]}),
    "a value for any text": ({"enum": ["a"], "type": "string"}, TEXT),
    "null as well": (TEXT, {"anyOf": [{"type": "null"}, TEXT]}),
    "null as well, as a list of types": (TEXT, {"type": ["null", "string"]}),
    "a looser bound": ({**WHOLE, "minimum": 2, "maximum": 5}, {**WHOLE, "minimum": 1}),
    "the same bound, said otherwise": ({**WHOLE, "minimum": 1}, {**WHOLE, "exclusiveMinimum": 0}),
    "a shorter list": ({"type": "array", "maxItems": 2}, {"type": "array", "maxItems": 3}),
    "a format that nobody asks for": ({**TEXT, "format": "uuid"}, TEXT),
    "anything": (record("a", a=TEXT), {}),
    "other words": ({**TEXT, "title": "a", "default": "b"}, {**TEXT, "description": "c"}),
    "fields without names": (
        {"type": "object", "additionalProperties": WHOLE},
        {"type": "object", "additionalProperties": {"type": "number"}},
    ),
    "true and false": ({"type": "boolean"}, {"enum": [True, False]}),
}


@pytest.mark.parametrize(("writer", "reader"), SAME_OR_WIDER.values(), ids=SAME_OR_WIDER)
def test_a_reader_that_takes_as_much_or_more_refuses_nothing(writer: Json, reader: Json) -> None:
    assert found(writer, reader) == []


NARROWER = {
    "a new required field": (
        record(),
        record("a", a=WHOLE),
        "/a: v1 does not have it, v2 requires it",
    ),
    "a required field that was optional": (
        record(a=WHOLE),
        record("a", a=WHOLE),
        "/a: v1 may leave it out, v2 requires it",
    ),
    "another type": (
        record("a", a=WHOLE),
        record("a", a=TEXT),
        "/a: v1 sends integer, v2 takes only string",
    ),
    "whole numbers only": (
        {"type": "number"},
        WHOLE,
        "/: v1 sends number, v2 takes only integer",
    ),
    "one value less": (
        {"enum": ["a", "b"]},
        {"enum": ["a"]},
        '/: v1 may send "b", v2 does not take it',
    ),
    "1 is not true": ({"enum": [1]}, {"type": "boolean"}, "/: v1 may send 1, v2 does not take it"),
    "a value instead of any text": (
        TEXT,
        {"enum": ["a"]},
        '/: v1 sends string, v2 takes only ["a"]',
    ),
    "no null": (
        {"anyOf": [TEXT, {"type": "null"}]},
        TEXT,
        "/: v1 may send null, v2 does not take it",
    ),
    "a minimum": (WHOLE, {**WHOLE, "minimum": 0}, "/: v1 has no minimum, v2 minimum 0"),
    "a tighter maximum": (
        {**WHOLE, "maximum": 9},
        {**WHOLE, "maximum": 8},
        "/: v1 has maximum 9, v2 maximum 8",
    ),
    "a bound that is left out": (
        {"type": "number", "minimum": 0},
        {"type": "number", "exclusiveMinimum": 0},
        "/: v1 has minimum 0, v2 minimum 0 (not itself)",
    ),
    "shorter texts": (
        {**TEXT, "maxLength": 9},
        {**TEXT, "maxLength": 8},
        "/: v1 has maxLength 9, v2 maxLength 8",
    ),
    "a pattern": (
        {**TEXT, "pattern": "a"},
        {**TEXT, "pattern": "b"},
        "/: v1 has pattern a, v2 pattern b",
    ),
    "a format": (TEXT, {**TEXT, "format": "uuid"}, "/: v1 has no format, v2 format uuid"),
    "other items": (
        {"type": "array", "items": record("a", a=WHOLE)},
        {"type": "array", "items": record("b", b=WHOLE)},
        "/*/b: v1 does not have it, v2 requires it",
    ),
    "no field that it does not know": (
        record("a/b", **{"a/b": WHOLE}),
        {"type": "object", "additionalProperties": False},
        "/a~1b: v1 sends it, v2 refuses what it does not know",
    ),
    "other fields without names": (
        {"type": "object", "additionalProperties": TEXT},
        record(a=WHOLE),
        "/a: v1 sends string, v2 takes only integer",
    ),
    "less than anything": ({}, TEXT, "/: v1 sends anything, v2 takes only string"),
}


@pytest.mark.parametrize(("writer", "reader", "says"), NARROWER.values(), ids=NARROWER)
def test_a_reader_that_takes_less_says_where_and_what(
    writer: Json, reader: Json, says: str
) -> None:
    assert found(writer, reader) == [says]


TREE: Json = {
    "$ref": "#/$defs/Tree",
    "$defs": {
        "Tree": record(
            "name parts", name=TEXT, parts={"type": "array", "items": {"$ref": "#/$defs/Tree"}}
        )
    },
}


def test_a_type_within_itself_is_compared_once() -> None:
    other = deepcopy(TREE)
    other["$defs"]["Tree"]["properties"]["name"]["maxLength"] = 3

    assert found(TREE, TREE) == []
    assert found(TREE, other) == ["/name: v1 has no maxLength, v2 maxLength 3"]


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        (record(a={**WHOLE, "multipleOf": 3}), "/properties/a: there is no rule for multipleOf"),
        (record(a={"oneOf": [WHOLE]}), "/properties/a: there is no rule for oneOf"),
        (record(a={"minimum": 3}), "/properties/a: there is no rule for minimum"),
        (record(a={**TEXT, "minimum": 3}), "/properties/a: there is no rule for minimum"),
        ({"$defs": {"A": {"not": {}}}}, "/$defs/A: there is no rule for not"),
        ({"$ref": "https://example.com/x"}, "/: there is no rule for $ref"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_keyword_without_a_rule_is_an_error_that_names_its_place(
    schema: Json, place: str, turned: bool
) -> None:
    pair = (record(), schema) if turned else (schema, record())
    with pytest.raises(Unjudged, match=re.escape(f"v{1 + turned}, {place}")):
        found(*pair)
