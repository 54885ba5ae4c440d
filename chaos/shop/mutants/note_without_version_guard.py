"""Simplification of the transition table: the note of a reservation is whatever came last."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.orders import model


def _unguarded(reached: Reached, _: Any) -> Any:
    def note(order: model.Order, reservation: Any, version: int) -> model.Order:
        if version < order.reservation_version:
            reached()
        return replace(order, reservation=reservation, reservation_version=version)

    return note


MUTANT = Mutant(
    bug="stock.reserved that comes after stock.released says that stock is held.",
    breaks=("notes_agree",),
    workloads=("orders", "endings", "twins"),
    switched_in=attribute(model, "note", _unguarded),
    timed_faults=tuple(
        f"late@orders:sql.select-processed_events:request:{nth}" for nth in (1, 2, 3)
    ),
)
