"""What is kept as JSON comes back as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from chaos.kit.servers import plain


@pytest.mark.parametrize(
    "value",
    [
        None,
        {"id": 7, "paid": False, "name": "Zoë", "note": None, "lines": [1, 2.5]},
        datetime.fromisoformat("2026-11-27T08:00:00.123456"),
        datetime(2026, 11, 27, 8, tzinfo=UTC),
        b'{"event_id": 1}',
        b"\xff\x00\x80",
        Decimal("9.90"),
        [{"at": datetime.fromisoformat("2026-01-01"), "price": Decimal("0.01"), "raw": b""}],
    ],
)
def test_it_comes_back(value: object) -> None:
    assert plain.loads(plain.dumps(value)) == value


@pytest.mark.parametrize("value", [{"$utf8": "a trap"}, {1: "one"}, object(), {1, 2}])
def test_what_would_not_come_back_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        plain.dumps(value)
