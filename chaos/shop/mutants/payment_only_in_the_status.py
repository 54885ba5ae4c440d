"""Simplification of the transition table: an order is paid if and only if its status is PAID."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.events import OrderStatus
from system.orders import model


def _by_status(reached: Reached, right: Any) -> Any:
    def canceled(order: model.Order, reason: str | None, now: Any) -> Any:
        if order.paid and order.status is not OrderStatus.PAID:
            reached()
        return right(replace(order, paid=order.status is OrderStatus.PAID), reason, now)

    return canceled


MUTANT = Mutant(
    bug="A paid order in PROCESSING that gets no stock has forgotten that it was paid.",
    breaks=("payments_live_or_refunded",),
    workloads=("endings",),
    switched_in=attribute(model, "_canceled", _by_status),
)
