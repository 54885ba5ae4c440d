"""What a checker is: a promise, and a function that finds where the evidence breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from chaos.kit.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A broken promise: its name, which `ANOMALIES` explains, and what was seen."""

    name: str
    seen: str
    checker: str = ""

    def __str__(self) -> str:
        return f"{self.checker}: {self.name}: {self.seen}"


@dataclass(frozen=True, slots=True)
class Checker:
    """Judges one promise."""

    name: str
    promise: str
    check: Callable[[Evidence], Iterable[Anomaly]]
