"""Events do not name the event that they follow from."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.events import Cause, Envelope


def _nameless(reached: Reached, _: Any) -> Any:
    def consequence(self: Any) -> Cause:
        reached()
        return Cause(self.cause.correlation_id, None, self.cause.traceparent)

    return property(consequence)


MUTANT = Mutant(
    bug="Nobody can tell why stock was reserved, or for which event an order was canceled.",
    breaks=("causes_are_told",),
    workloads=("orders",),
    switched_in=attribute(Envelope, "consequence", _nameless),
)
