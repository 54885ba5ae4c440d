"""Whether a COMMIT without an answer was done is asked by a SELECT, which waits for nobody."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.commands.group_commit import Commands
from system.kit.commands.idempotency import commands


def _hasty(reached: Reached, _: Any) -> Any:
    async def is_done(self: Any, mark: str, _: float) -> bool:
        reached()
        async with self._work() as unit:
            found = await unit.sql.execute(select(commands.c.id).where(commands.c.id == mark))
            return found.one_or_none() is not None

    return is_done


MUTANT = Mutant(
    bug="The COMMIT is still on its way: it is taken for lost, and the command done again.",
    breaks=("commands_take_effect_once",),
    workloads=("orders", "together"),
    switched_in=attribute(Commands, "_is_done", _hasty),
    strikes=("ghost@orders:sql.commit:*:*",),
)
