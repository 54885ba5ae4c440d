"""A reservation takes what it wants without a look at what is left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.products import handlers

PLENTY = 1_000_000


def _without_a_look(reached: Reached, right: Any) -> Any:
    def reserve(order_id: int, lines: Any, stock: Any, now: Any) -> Any:
        if all(id in stock for id in lines) and any(stock[id].on_hand < lines[id] for id in lines):
            reached()
            full = {id: replace(left, on_hand=left.on_hand + PLENTY) for id, left in stock.items()}
            (reservation, taken), events = right(order_id, lines, full, now)
            less = tuple(replace(left, on_hand=left.on_hand - PLENTY) for left in taken)
            return (reservation, less), events
        return right(order_id, lines, stock, now)

    return reserve


MUTANT = Mutant(
    bug="More of a product is sold than there is.",
    breaks=("never_negative",),
    workloads=("orders", "together"),
    switched_in=attribute(handlers, "reserve", _without_a_look),
)
