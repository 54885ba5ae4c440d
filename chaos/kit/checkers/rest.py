"""Liveness: once faults are healed, the system comes to rest by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from chaos.kit.checkers.checker import Anomaly, Checker
from chaos.kit.evidence import Evidence


def _rest(evidence: Evidence) -> Iterator[Anomaly]:
    for missing in evidence.missing:
        yield Anomaly("no rest", missing)


def _fell(evidence: Evidence) -> Iterator[Anomaly]:
    for failure, times in Counter(evidence.failures).items():
        yield Anomaly("fell over", failure if times == 1 else f"{times} times: {failure}")


REST = Checker(
    "quiescence_reached",
    "After the last fault every outbox gets empty, every lag zero, every process ready.",
    _rest,
)
NO_FALL = Checker(
    "no_process_fails",
    "No fault of a store ends a process, and none is stuck when it is to end.",
    _fell,
    lambda evidence: evidence.failures or range(evidence.disturbances),
)
