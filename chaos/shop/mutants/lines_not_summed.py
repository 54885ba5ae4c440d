"""Of several lines of one product, the last one counts."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.products import handlers


def _last(reached: Reached, _: Any) -> Any:
    def wanted(items: Any) -> dict[int, int]:
        lines = {item.product_id: item.quantity for item in items}
        if len(lines) < len(items):
            reached()
        return dict(sorted(lines.items()))

    return wanted


MUTANT = Mutant(
    bug="An order with two lines of one product reserves the stock of one of them.",
    breaks=("things_hold_what_they_took",),
    workloads=("orders",),
    switched_in=attribute(handlers, "wanted", _last),
)
