"""How much a run of the benchmark measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    rounds: int = 7
    seconds: float = 1.5
    """Of each closed loop."""
    clients: Sequence[int] = (1, 16, 64, 256)
    events: int = 6_000
    """In a backlog."""
    rates: Sequence[int] = (5, 20, 50, 100)
    """Orders a second, from order to view."""
    orders_watched: int = 20
    processes: Sequence[int] = (2, 3)
    """Of a role, beside one; none: not."""
    history: int = 1_000_000
    """Old rows of each table beside which the hot figures are measured again; 0: not."""


FULL = Size()
QUICK = Size(
    rounds=2,
    seconds=0.5,
    clients=(64,),
    events=1_000,
    rates=(20,),
    orders_watched=10,
    processes=(),
    history=0,
)
