"""Provider states: each is a function, and its name is what a pact calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def name_of(state: Callable[..., Any]) -> str:  # what it takes and gives is for its callers to know
    """`an_order_is_paid` is "an order is paid"."""
    return state.__name__.replace("_", " ")
