"""Effects: of each cause one, neither more nor less."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chaos.kit.promises.checker import KEPT, Anomaly, Cases


@dataclass(frozen=True, slots=True)
class Effect:
    """What causes of one kind should have done to something, and what they did: both are counted."""

    what: str
    due: int
    had: int
    about: str = ""


def never_twice(effects: Iterable[Effect]) -> Cases:
    for one in effects:
        yield KEPT if one.had <= one.due else _wrong("double effect", one)


def never_missing(effects: Iterable[Effect]) -> Cases:
    for one in effects:
        yield KEPT if one.had >= one.due else _wrong("missing effect", one)


def _wrong(name: str, one: Effect) -> Anomaly:
    return Anomaly(name, f"{one.what}: {one.had} of {one.due}", about=one.about)
