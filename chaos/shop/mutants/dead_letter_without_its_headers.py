"""A dead letter keeps the body and the key of its message alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.delivery.dead_letters import FACT, DeadLetters


def _bare(reached: Reached, right: Any) -> Any:
    async def publish(self: Any, message: Any) -> None:
        ours = tuple(header for header in message.headers if header[0].startswith(FACT))
        if message.topic.endswith(".dlq") and ours != message.headers:
            reached()
            message = replace(message, headers=ours)
        await right(self, message)

    return publish


MUTANT = Mutant(
    bug="What is replayed is no longer the message that was sent: no trace leads to its cause.",
    breaks=("dead_letters_are_the_poison",),
    workloads=("dead-letters",),
    switched_in=attribute(DeadLetters, "_publish", _bare),
)
