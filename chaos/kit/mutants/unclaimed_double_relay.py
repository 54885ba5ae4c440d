"""Two relays without a lease publish the same rows."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.delivery.relay import Relay


def _always(reached: Reached, _: Any) -> Any:
    async def hold_lease(_: Relay) -> bool:
        reached()
        return True

    return hold_lease


MUTANT = Mutant(
    bug="Every relay believes that it holds the lease: each row is published once by each.",
    breaks=("published_once",),
    switched_in=attribute(Relay, "_hold_lease", _always),
)
