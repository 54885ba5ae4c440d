"""The relay remembers the highest id that it has seen, and asks for what is above."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attributes
from chaos.shop.mutants.outbox_id_before_the_lock import early_ids, rows_with_their_ids
from system.kit.adapters.sql.work import SqlUnitOfWork
from system.kit.delivery import outbox
from system.kit.delivery.relay import Relay
from system.kit.timing import TIMING

ROWS = 1_000
"""More than any workload has."""


def _by_cursor(reached: Reached, _: Any) -> Any:
    async def read(self: Any) -> Any:
        cursor = getattr(self, "cursor", 0)
        async with self._parts.work() as unit:
            rows = await outbox.unsent(unit.sql, self._aggregate, limit=ROWS)
        above = sorted((row for row in rows if row.id > cursor), key=lambda row: row.id)[
            : TIMING.relay_page
        ]
        if above:
            reached()
            self.cursor = above[-1].id
        return above

    return read


MUTANT = Mutant(
    bug="Ids are given before commit: a row that becomes visible below the cursor is never sent.",
    breaks=("no_lost_event", "rest_is_reached"),
    workloads=("stock", "orders"),
    switched_in=attributes(
        (Relay, "_read", _by_cursor),
        (SqlUnitOfWork, "__init__", early_ids),
        (SqlUnitOfWork, "commit", rows_with_their_ids),
    ),
)
