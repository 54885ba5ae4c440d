"""Each event of an order tells that the order was created just now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.orders import model


def _just_now(reached: Reached, right: Any) -> Any:
    def after(order: Any, now: Any) -> Any:
        if order.created_at != now.at:
            reached()
        return right(replace(order, created_at=now.at), now)

    return after


MUTANT = Mutant(
    bug="An order that is paid moves to the top of every list by date, on the query side alone.",
    breaks=("events_tell_the_truth",),
    workloads=("orders",),
    switched_in=attribute(model, "_after", _just_now),
)
