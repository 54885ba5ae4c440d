"""A transaction that many requests share runs in the context of the first of them."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.commands.group_commit import Commands


def _inherited(reached: Reached, right: Any) -> Any:
    def task(self: Any, work: Any, context: Any = None) -> Any:
        if context is not None:
            reached()
        return right(self, work)

    return task


MUTANT = Mutant(
    bug="Four customers' orders are logged under the correlation id of one of them.",
    breaks=("each_request_in_its_own_name",),
    workloads=("together",),
    switched_in=attribute(Commands, "_task", _inherited),
)
