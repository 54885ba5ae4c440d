"""A model that is built from a schema reads what the schema describes, as types of its own."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from contracts.kit.reader import model_of
from contracts.kit.schemas import Json

PARCEL: Json = {
    "title": "Parcel",
    "type": "object",
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "sent_at": {"type": "string", "format": "date-time"},
        "state": {"$ref": "#/$defs/State"},
        "weight": {"type": "number", "minimum": 0},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "items": {
            "type": "array",
            "items": {
                "title": "Item",
                "type": "object",
                "properties": {"count": {"type": "integer", "minimum": 1}},
                "required": ["count"],
            },
        },
        "carrier": {"type": "string", "default": "Post"},
    },
    "required": ["id", "sent_at", "state", "weight", "note", "items"],
    "$defs": {"State": {"title": "State", "enum": ["sent", "lost"], "type": "string"}},
}
SENT: Json = {
    "id": "00000000-0000-4000-8000-000000000001",
    "sent_at": "2026-01-31T08:00:00.000000Z",
    "state": "lost",
    "weight": Decimal("1.50"),
    "note": None,
    "items": [{"count": 2}],
}


def test_it_reads_what_the_schema_describes() -> None:
    parcel: Any = model_of(PARCEL)(**SENT, unknown=1)

    assert (parcel.id, parcel.sent_at) == (UUID(SENT["id"]), datetime(2026, 1, 31, 8, tzinfo=UTC))
    assert (parcel.state.value, parcel.weight, parcel.note) == ("lost", Decimal("1.50"), None)
    assert (parcel.items[0].count, parcel.carrier) == (2, "Post")
    assert not hasattr(parcel, "unknown")


@pytest.mark.parametrize(
    "wrong",
    [{"state": "found"}, {"weight": -1}, {"items": [{"count": 0}]}, {"items": [{}]}, {"note": 1}],
)
def test_it_refuses_what_the_schema_refuses(wrong: Json) -> None:
    with pytest.raises(ValidationError):
        model_of(PARCEL)(**(SENT | wrong))


def test_it_refuses_to_do_without_what_is_required() -> None:
    with pytest.raises(ValidationError, match="note"):
        model_of(PARCEL)(**{name: value for name, value in SENT.items() if name != "note"})
