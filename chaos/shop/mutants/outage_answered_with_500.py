"""An API does not know that a store can be away."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.errors import Unavailable
from system.kit.http import app


def _surprised(reached: Reached, right: Any) -> Any:
    def refusal_of(error: Exception) -> Any:
        if isinstance(error, Unavailable):
            reached()
            return None
        return right(error)

    return refusal_of


MUTANT = Mutant(
    bug="A request that meets an outage is answered with 500, and its client does not ask again.",
    breaks=("no_internal_error",),
    workloads=("orders",),
    switched_in=attribute(app, "refusal_of", _surprised),
    timed_faults=("outage@sql:0.02:3",),
)
