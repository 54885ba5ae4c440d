"""Simplification of the transition table: a client may cancel an order that is being worked on."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.events import OrderStatus
from system.orders import api, model


def _whenever(reached: Reached, right: Any) -> Any:
    def cancel(order: model.Order, reason: str | None, now: Any) -> Any:
        if order.status is OrderStatus.PROCESSING:
            reached()
            return model._canceled(order, reason, now)  # noqa: SLF001 - the bug itself
        return right(order, reason, now)

    return cancel


MUTANT = Mutant(
    bug="POST /orders/{id}/cancel cancels an order in PROCESSING.",
    breaks=("only_allowed_steps",),
    workloads=("endings",),
    switched_in=attribute(api, "cancel", _whenever),
)
