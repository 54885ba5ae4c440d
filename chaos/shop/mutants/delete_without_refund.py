"""Simplification of the transition table: DELETE forgets that an order was paid."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.orders import api


def _without_refund(reached: Reached, right: Any) -> Any:
    def remove(order: Any, now: Any) -> Any:
        if order.paid:
            reached()
        _, (deleted,) = right(order, now)
        return None, (deleted.model_copy(update={"refund_due": False}),)

    return remove


MUTANT = Mutant(
    bug="A paid order is deleted, and no refund is due.",
    breaks=("payments_live_or_refunded",),
    workloads=("endings",),
    switched_in=attribute(api, "remove", _without_refund),
)
