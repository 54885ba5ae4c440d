"""Orders that end in one batch give back to the stock as it was read: the last one counts alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.ports.world import Now
from system.products import handlers
from system.products.model import Reservation, Stock


def _as_it_was_read(reached: Reached, right: Any) -> Any:
    read: dict[int, Stock] = {}
    of: Now | None = None

    def release(reservation: Reservation, stock: Mapping[int, Stock], now: Now) -> Any:
        nonlocal of
        if now is not of:  # another batch: each has a transaction of its own
            of = now
            read.clear()
        for product_id, left in stock.items():
            if read.setdefault(product_id, left) != left:
                reached()
        return right(reservation, read, now)

    return release


MUTANT = Mutant(
    bug="What an order gives back is not handed on to the next one of its batch.",
    breaks=("amounts_conserved", "amounts_are_held_by_things", "no_phantom_event"),
    workloads=("regrets",),
    switched_in=attribute(handlers, "release", _as_it_was_read),
)
