"""What scenarios compare at rest, an order beside its view, is all of it that can differ."""

from __future__ import annotations

from scenarios.harness.at_rest import ORDER
from system import events

_FIXED = {"id", "user_id", "items", "created_at", "updated_at"}
"""Of these another check speaks, or every event gives them anew."""


def test_every_field_of_an_order_is_compared_at_rest() -> None:
    wrong = {*ORDER} ^ (events.Order.model_fields.keys() - _FIXED | {"version"})
    assert not wrong, f"compare them in ORDER of scenarios/harness/at_rest.py: {wrong}"
