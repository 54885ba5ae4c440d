"""Waiting for rest: nothing is under way, and nothing has moved for longer than gauges lag."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from load.kit.gauges import Values

LOOK_S = 0.25

Look = Callable[[], Values]
"""Raises CannotLook."""


class CannotLook(Exception):
    """Not all of the system can be seen now. The text is one line that says what is missing."""


@dataclass(frozen=True, slots=True)
class Rest:
    """What became of the wait."""

    after_s: float
    unrest: str = ""
    """What was still under way when the bound was reached. Empty: the system is at rest."""


def come_to_rest(
    look: Look, under_way: Callable[[Values], str], *, settled_s: float, within_s: float
) -> Rest:
    """Wait until nothing is `under_way`, and what was seen has not changed for `settled_s`."""
    began_s = time.monotonic()
    still_since_s = began_s
    before: Values | None = None
    while True:
        try:
            now = look()
            busy = under_way(now)
        except CannotLook as reason:
            now, busy = {}, str(reason)
        waited_s = time.monotonic() - began_s
        if busy or now != before:
            still_since_s = time.monotonic()
        elif time.monotonic() - still_since_s >= settled_s:
            return Rest(waited_s)
        if waited_s > within_s:
            return Rest(waited_s, f"no rest within {within_s:g} s: {busy or 'events still move'}")
        before = now
        time.sleep(LOOK_S)
