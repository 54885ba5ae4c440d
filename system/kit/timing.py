"""By what pages, pauses and polls a system works. A simulation, which waits for no clock, takes others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Sizes in rows, times in seconds."""

    consumer_poll_s: float = 0.05
    """How long a consumer's poll waits for records, before it looks at its lanes again."""
    relay_page: int = 500
    """So many rows of the outbox are read at once."""
    relay_pause_min_s: float = 0.002
    """A relay's first pause after trouble, and the one between lanes that take turns."""
    relay_measure_s: float = 5.0
    """How far apart the backlog is counted, at the least."""
    build_watch_s: float = 0.05
    """How far apart one looks whether new views are built."""


TIMING = Timing()
