"""A COMMIT whose answer was lost is simply tried again."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.commands.middleware import decided


def _never_asked(reached: Reached, _: Any) -> Any:
    async def is_done(*_: Any) -> bool:
        reached()
        return False

    return is_done


MUTANT = Mutant(
    bug="An order is placed twice when the answer to its COMMIT is lost.",
    breaks=("commands_take_effect_once",),
    workloads=("orders", "together"),
    switched_in=attribute(decided, "is_done", _never_asked),
    point_faults=("lost@*:sql.commit:reply:*",),
)
