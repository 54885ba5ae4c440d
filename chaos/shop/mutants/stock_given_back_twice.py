"""An order that is canceled and then deleted gives its stock back both times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.events import ReservationState
from system.products import store


def _as_if_reserved(reached: Reached, right: Any) -> Any:
    async def lock_reservations(*args: Any) -> Any:
        found = await right(*args)
        for id, reservation in found.items():
            if reservation.state is ReservationState.RELEASED:
                reached()
                found[id] = replace(reservation, state=ReservationState.RESERVED)
        return found

    return lock_reservations


MUTANT = Mutant(
    bug="A release asks whether the reservation was rejected, not whether it holds anything.",
    breaks=(
        "amounts_conserved",
        "amounts_are_held_by_things",
        "no_phantom_event",
        "only_allowed_steps",
    ),
    workloads=("wander",),
    switched_in=attribute(store, "lock_reservations", _as_if_reserved),
)
