"""Deleting changes the write model alone."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.http.route import Answer
from system.orders import store
from system.orders.api import OrderApi


def _mute(reached: Reached, _: Any) -> Any:
    async def remove(_: OrderApi, request: Any, unit: Any) -> Answer:
        if not await store.lock(unit, [request.id]):
            return Answer(404)
        reached()
        await store.remove(unit, request.id)
        return Answer(204)

    return remove


MUTANT = Mutant(
    bug="DELETE /orders/{id} emits no event: views and stock never hear of it.",
    breaks=("no_lost_event",),
    workloads=("endings",),
    switched_in=attribute(OrderApi, "remove", _mute),
)
