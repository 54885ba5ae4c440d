"""An order costs as much as one piece of each of its lines."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.orders import api


def _of_one_each(reached: Reached, right: Any) -> Any:
    def draft(*args: Any) -> Any:
        priced = right(*args)
        total = sum((item.unit_price for item in priced.items), Decimal(0))
        if total != priced.total_amount:
            reached()
        return replace(priced, total_amount=total)

    return draft


MUTANT = Mutant(
    bug="A customer who orders three of a thing pays for one of them.",
    breaks=("totals_add_up",),
    workloads=("orders",),
    switched_in=attribute(api, "draft", _of_one_each),
)
