"""The dual write: the state first, its events in a transaction of their own."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.adapters.sql.work import SqlUnitOfWork
from system.kit.delivery import outbox


def _in_two(reached: Reached, right: Any) -> Any:
    async def commit(self: SqlUnitOfWork) -> None:
        rows = self._outbox
        if not rows:
            await right(self)
            return
        reached()
        self.commit_sent = True
        await self.sql.commit()
        await outbox.append(self.sql, rows)
        await self.sql.commit()

    return commit


MUTANT = Mutant(
    bug="State and outbox row are committed one after the other; a crash in between loses the event.",
    breaks=("no_lost_event",),
    switched_in=attribute(SqlUnitOfWork, "commit", _in_two),
    point_faults=("crash@*:sql.commit:reply:*", "*@*:sql.insert-outbox:*"),
)
