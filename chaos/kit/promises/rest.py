"""Liveness: once faults are healed, the system comes to rest by itself, and no process has fallen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from chaos.kit.promises.checker import KEPT, Anomaly, Cases


def rest_is_reached(missing: Iterable[str]) -> Cases:
    """`missing`: what was not at rest when the wait for it ended."""
    kept = True
    for what in missing:
        kept = False
        yield Anomaly("no rest", what)
    if kept:
        yield KEPT


def no_process_falls(falls: Iterable[str], tested: int) -> Cases:
    """`falls`: how processes ended by themselves. `tested`: what could have made them fall."""
    fallen = Counter(falls)
    for fall, times in fallen.items():
        yield Anomaly("fell over", fall if times == 1 else f"{times} times: {fall}")
    if not fallen:
        yield from (KEPT for _ in range(tested))
