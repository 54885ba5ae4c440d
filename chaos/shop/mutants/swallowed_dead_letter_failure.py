"""A dead letter that the broker does not take is logged and forgotten."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.delivery.dead_letters import DeadLetters


def _forgetful(reached: Reached, _: Any) -> Any:
    async def publish(self: Any, message: Any) -> None:
        (error,) = await self._log.publish([message])
        if error is not None:
            reached()

    return publish


MUTANT = Mutant(
    bug="The offset moves on although the message is neither handled nor parked.",
    breaks=("dead_letters_are_the_poison",),
    workloads=("dead-letters",),
    switched_in=attribute(DeadLetters, "_publish", _forgetful),
    point_faults=("error@*:log.publish:request:*",),
    timed_faults=("outage@log:0.1:2",),
)
