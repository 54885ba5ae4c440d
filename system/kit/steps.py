"""Chains of steps, outermost first: around commands, around events, around what is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import TypeVar

S = TypeVar("S")


def chain(middlewares: Sequence[Callable[[S], S]], last: S) -> S:
    """Compose, outermost first."""
    return reduce(lambda step, middleware: middleware(step), reversed(middlewares), last)
