"""A relay's lease does not end with its holder."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attributes
from system.kit.delivery import relay


def _for_ever(_: Reached, __: Any) -> Any:
    return 1e8


def _counted(reached: Reached, right: Any) -> Any:
    async def hold_lease(self: Any) -> bool:
        held: bool = await right(self)
        if not held:
            reached()
        return held

    return hold_lease


MUTANT = Mutant(
    bug="A relay that was killed keeps its lease: nobody publishes that aggregate's events again.",
    breaks=("rest_is_reached",),
    workloads=("orders",),
    switched_in=attributes((relay, "LEASE_S", _for_ever), (relay.Relay, "_hold_lease", _counted)),
    point_faults=("crash@*:sql.*:*",),
)
