"""Simplification of the transition table: a release fails for a product that is gone."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.products import handlers


def _raising(reached: Reached, right: Any) -> Any:
    def release(reservation: Any, stock: Any, now: Any) -> Any:
        for product_id in reservation.lines:
            if product_id not in stock:
                reached()
                raise KeyError(product_id)
        return right(reservation, stock, now)

    return release


MUTANT = Mutant(
    bug="Releasing the stock of a product that was deleted raises, and parks a good event.",
    breaks=("dead_letters_are_the_poison",),
    workloads=("endings",),
    switched_in=attribute(handlers, "release", _raising),
    point_faults=("*@products:sql.*-processed_events:*", "*@products:sql.*-reservations:*"),
)
