"""How many users there are at which time of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil

Curve = Callable[[float], float]
"""The share of all users, 0 to 1, by the share of the run's length that is over, 0 to 1."""


def ramp(over: float) -> float:
    """More and more, to the last. Shows where it bends."""
    return over


def spike(over: float) -> float:
    """A tenth, and in the middle fifth all at once. Shows whether it comes back."""
    return 1.0 if 0.4 <= over < 0.6 else 0.1


def soak(over: float) -> float:
    """All of them for nearly all of the time. Shows what grows."""
    return min(1.0, over / 0.05)


CURVES: Mapping[str, Curve] = {"ramp": ramp, "spike": spike, "soak": soak}
LENGTHS_S: Mapping[str, int] = {"ramp": 120, "spike": 60, "soak": 3600}
"""How long each takes where no `--run-time` says so."""


def users_at(curve: Curve, elapsed_s: float, *, length_s: float, peak: int) -> int | None:
    """How many users there should be. None: the run is over."""
    if elapsed_s >= length_s:
        return None
    return max(1, ceil(peak * curve(elapsed_s / length_s)))
