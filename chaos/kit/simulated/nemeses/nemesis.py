"""What a nemesis is: a kind of trouble, and a way to draw one instance of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from chaos.kit.simulated.faults import Fault, Place


@dataclass(frozen=True, slots=True)
class Field:
    """Where trouble may come: the points and the length of a workload's run without faults."""

    places: Sequence[Place]
    processes: Sequence[str]
    length_s: float
    topics: Sequence[str]
    groups: Sequence[str]


@dataclass(frozen=True, slots=True)
class Nemesis:
    """A kind of trouble."""

    name: str
    what: str
    draw: Callable[[Random, Field], Fault]
