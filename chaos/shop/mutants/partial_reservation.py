"""An order takes what there is of each product."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.products import handlers


def _what_there_is(reached: Reached, right: Any) -> Any:
    def reserve(order_id: int, lines: Any, stock: Any, now: Any) -> Any:
        there = {
            product_id: quantity
            for product_id, quantity in lines.items()
            if product_id in stock and stock[product_id].on_hand >= quantity
        }
        if len(there) < len(lines) and there:
            reached()
            return right(order_id, there, stock, now)
        return right(order_id, lines, stock, now)

    return reserve


MUTANT = Mutant(
    bug="An order of which one product is out of stock reserves the others and lives on.",
    breaks=("things_hold_what_they_took",),
    workloads=("orders", "together"),
    switched_in=attribute(handlers, "reserve", _what_there_is),
)
