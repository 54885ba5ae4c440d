"""What is let through although a check of schemathesis expects another answer, and what is not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData

from contracts.http.documents import committed
from contracts.http.widened import WIDENED
from scenarios.harness.stack import Stack


@pytest.mark.parametrize(
    ("query", "is_right"),
    [
        ({"user_id": 1.0}, True),
        ({"user_id": 1.0, "limit": 5.0}, True),
        ({"user_id": 0}, False),
        ({"user_id": 1.5}, False),
        ({"user_id": "+1"}, False),
        ({"user_id": 1.0, "limit": 501}, False),
        ({"user_id": 1.0, "after": "nonsense"}, False),
    ],
    ids=str,
)
async def test_a_whole_number_is_its_digits_in_a_query(
    system: Stack, query: dict[str, Any], is_right: bool
) -> None:
    """Generators take the number from a body that had it as `1.0`, where it is as good as 1."""
    orders = schemathesis.openapi.from_dict(committed("order-api"))["/orders"]["GET"]
    case = orders.Case(query=query)

    answer = await asyncio.to_thread(case.call, base_url=system.url("order-api"))

    assert answer.status_code == 422
    widened = [one for one in WIDENED if one.check is RejectedPositiveData]
    assert any(one.is_right(case, answer) for one in widened) is is_right
