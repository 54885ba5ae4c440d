"""What a consumer does is logged under an id of its own, not the request's."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.events import Cause, Envelope


def _anew(reached: Reached, _: Any) -> Any:
    def consequence(self: Any) -> Cause:
        reached()
        return Cause(self.event.event_id, self.event.event_id, self.cause.traceparent)

    return property(consequence)


MUTANT = Mutant(
    bug="Whoever looks a customer's request up in the logs finds its first step and no other.",
    breaks=("causes_are_told",),
    workloads=("orders",),
    switched_in=attribute(Envelope, "consequence", _anew),
)
