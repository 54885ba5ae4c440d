"""An order that was canceled already is canceled once more by the stock."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.events import OrderStatus
from system.orders import model


def _again(reached: Reached, _: Any) -> Any:
    def cancel_for_stock(order: model.Order, reason: str, now: Any) -> Any:
        if order.status is OrderStatus.CANCELED:
            reached()
        return model._canceled(order, reason, now)  # noqa: SLF001 - the bug itself

    return cancel_for_stock


MUTANT = Mutant(
    bug="stock.rejected replaces the reason that the client gave.",
    breaks=("only_allowed_steps",),
    workloads=("orders", "endings"),
    switched_in=attribute(model, "cancel_for_stock", _again),
)
