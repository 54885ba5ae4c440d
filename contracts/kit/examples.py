"""The simplest value that a JSON Schema allows: for examples that nobody has to write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OF_FORMAT = {
    "uuid": "00000000-0000-4000-8000-000000000001",
    "date-time": "2026-01-31T08:00:00.000000Z",
    "email": "ada@example.com",
}


def example(schema: Mapping[str, Any]) -> Any:  # a JSON value of whatever kind the schema says
    """A value with every property, one item in each list, and the lowest numbers.

    Ids are all alike that way, so that what refers to each other within one message agrees.
    """
    return _value(schema, schema.get("$defs", {}), "text")


def _value(schema: Mapping[str, Any], pieces: Mapping[str, Any], name: str) -> Any:
    match schema:
        case {"$ref": str(reference)}:
            return _value(pieces[reference.rpartition("/")[2]], pieces, name)
        case {"examples": [first, *_]}:
            return first
        case {"const": value}:
            return value
        case {"enum": [first, *_]}:
            return first
        case {"anyOf": [first, *_]} | {"oneOf": [first, *_]} | {"allOf": [first, *_]}:
            return _value(first, pieces, name)
        case {"type": "object"}:
            return {
                key: _value(of, pieces, key) for key, of in schema.get("properties", {}).items()
            }
        case {"type": "array", "items": of}:
            return [_value(of, pieces, name)] * max(1, schema.get("minItems", 0))
        case {"type": "integer" | "number"}:
            return schema.get("minimum", 1)
        case {"type": "boolean"}:
            return False
        case {"type": "string", "pattern": "^[0-9]+$"}:
            return "1"
        case {"type": "string"}:
            text = _OF_FORMAT.get(schema.get("format", ""), name)
            return text[: schema.get("maxLength")].ljust(schema.get("minLength", 0), "x")
        case _:
            return None
