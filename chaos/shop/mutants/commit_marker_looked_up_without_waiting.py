"""Whether a COMMIT without an answer was done is asked by a SELECT, which does not wait."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.commands.idempotency import commands
from system.kit.commands.middleware import decided


def _hasty(reached: Reached, _: Any) -> Any:
    async def is_done(work: Any, commit_marker: str, _: float) -> bool:
        reached()
        async with work() as unit:
            there = select(commands.c.id).where(commands.c.id == commit_marker)
            return (await unit.sql.execute(there)).one_or_none() is not None

    return is_done


MUTANT = Mutant(
    bug="The COMMIT is still on its way: it is taken for lost, and the command done again.",
    breaks=("commands_take_effect_once",),
    workloads=("orders", "together"),
    switched_in=attribute(decided, "is_done", _hasty),
    point_faults=("ghost@orders:sql.commit:*:*",),
)
