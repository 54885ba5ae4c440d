"""What an event tells is compared with a row, whatever columns there are: also with those that come later."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from chaos.shop.checkers.snapshots import as_told

AT = datetime(2026, 1, 31, 8, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        pytest.param("2026-01-31 08:00:00.123456", AT, id="a time, as SQLite has it"),
        pytest.param(AT.replace(tzinfo=None), AT, id="a time, as MySQL has it"),
        pytest.param(1990, Decimal("19.90"), id="an amount"),
        pytest.param("pix", "pix", id="a text"),
        pytest.param(None, None, id="nothing"),
        pytest.param(7, 7, id="a number"),
    ],
)
def test_a_column_says_what_an_event_says_of_the_same(stored: Any, told: object) -> None:
    assert as_told(stored, told) == told


@pytest.mark.parametrize(
    ("stored", "told"),
    [(None, AT), ("2026-01-31 08:00:00", None), (1990, Decimal(1990)), (None, Decimal(0))],
    ids=str,
)
def test_a_column_that_says_otherwise_is_seen_to(stored: Any, told: object) -> None:
    assert as_told(stored, told) != told
