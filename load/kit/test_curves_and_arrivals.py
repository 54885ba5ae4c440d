"""How many users there are when, and when requests are due."""

from __future__ import annotations

from itertools import islice

import pytest

from load.kit.arrivals import due_times
from load.kit.curves import CURVES, LENGTHS_S, users_at


@pytest.mark.parametrize(
    ("name", "users"),
    [
        ("ramp", [1, 25, 50, 75, 100]),
        ("spike", [10, 10, 100, 10, 10]),
        ("soak", [1, 100, 100, 100, 100]),
    ],
)
def test_users_follow_the_curve_and_end_with_it(name: str, users: list[int]) -> None:
    times_s = (0.0, 25.0, 50.0, 75.0, 99.9)

    at = [users_at(CURVES[name], time_s, length_s=100.0, peak=100) for time_s in times_s]

    assert at == users
    assert users_at(CURVES[name], 100.0, length_s=100.0, peak=100) is None


def test_every_curve_has_a_length() -> None:
    assert CURVES.keys() == LENGTHS_S.keys()


def test_requests_are_due_at_their_rate_whatever_became_of_earlier_ones() -> None:
    due = list(islice(due_times(100.0, begin_s=5.0), 300_001))

    assert due[:3] == pytest.approx([5.0, 5.01, 5.02])
    assert due[-1] == pytest.approx(3005.0)
