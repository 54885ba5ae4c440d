"""The relay remembers the highest id that it has seen, and asks for what is above."""

from __future__ import annotations

from typing import Any

from chaos.mutants.mutant import Mutant, Reached, attributes
from chaos.mutants.outbox_id_before_the_lock import early_ids, rows_with_their_ids
from system.adapters.work_sql import SqlUnitOfWork
from system.delivery import outbox
from system.delivery.relay import PAGE, Relay


def _by_cursor(reached: Reached, _: Any) -> Any:
    async def relay_once(self: Any, _: Any) -> bool:
        cursor = getattr(self, "cursor", 0)
        async with self._parts.work() as unit:
            rows = await outbox.unsent(unit.sql, self._aggregate, above=cursor, limit=PAGE)
        if not rows:
            return False
        reached()
        self.cursor = rows[-1].id
        return bool(await self._publish(rows, set()))

    return relay_once


MUTANT = Mutant(
    bug="Ids are given before commit: a row that becomes visible below the cursor is never sent.",
    breaks=("no_lost_event", "quiescence_reached"),
    workloads=("stock", "orders"),
    switched_in=attributes(
        (Relay, "relay_once", _by_cursor),
        (SqlUnitOfWork, "__init__", early_ids),
        (SqlUnitOfWork, "commit", rows_with_their_ids),
    ),
)
