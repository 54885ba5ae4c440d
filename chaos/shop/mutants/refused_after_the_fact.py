"""An order is checked after it was placed, and the refusal takes nothing back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.errors import DomainError
from system.orders.api import OrderApi
from system.orders.model import UnknownProduct


def _too_late(reached: Reached, right: Any) -> Any:
    async def place_all(api: OrderApi, requests: Sequence[Any], unit: Any) -> Sequence[Any]:
        answers = await right(api, requests, unit)
        return [_refused(reached, *both) for both in zip(requests, answers, strict=True)]

    return place_all


def _refused(reached: Reached, request: Any, answer: Any) -> Any:
    if isinstance(answer, DomainError) or len(request.body.items) < 2:
        return answer
    reached()
    return UnknownProduct("of several products one is sold no more")


MUTANT = Mutant(
    bug="A client is told that nothing was done, and its order is there.",
    breaks=("refused_has_no_effect",),
    workloads=("together", "orders"),
    switched_in=attribute(OrderApi, "place_all", _too_late),
)
