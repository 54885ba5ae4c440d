"""Dead letters: what nobody can handle, all of it and nothing else, as it was."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Mapping
from typing import TypeVar

from chaos.kit.promises.checker import KEPT, Anomaly, Cases

K = TypeVar("K", bound=Hashable)
"""What names a dead letter: its message, and who has parked it."""


def exactly_the_poison(
    poison: Mapping[K, object],
    parked: Mapping[K, object],
    excused: Container[K] = (),
    *,
    named: Callable[[K], str] = str,
) -> Cases:
    """By what names each: its content. `excused` are dead letters of messages that are no poison."""
    for key, content in poison.items():
        if key not in parked:
            yield Anomaly("poison swallowed", f"{named(key)} is not parked")
        elif parked[key] != content:
            yield Anomaly("dead letter altered", named(key))
        else:
            yield KEPT
    for key in parked:
        if key not in poison:
            yield (
                KEPT
                if key in excused
                else Anomaly("healthy dead letter", f"{named(key)} is no poison")
            )
