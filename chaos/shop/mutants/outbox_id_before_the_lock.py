"""Outbox rows get their ids before the aggregate is locked: other transactions may be faster.

SQLite has one writer at a time and gives ids in the order of commits, so the ids are given here
as a database with many writers gives them to a transaction that inserts first and locks later.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attributes
from system.kit.adapters.sql.work import SqlUnitOfWork
from system.kit.delivery import outbox

FIRST, ROOM = 1_000, 50
"""Ids above all that are there, and how many a transaction may need."""


def early_ids(_: Reached, right: Any) -> Any:
    ids = count(FIRST, ROOM)

    def init(self: Any, *arguments: Any) -> None:
        right(self, *arguments)
        self.first_id = next(ids)

    return init


def rows_with_their_ids(reached: Reached, _: Any) -> Any:
    async def commit(self: Any) -> None:
        if self._outbox:
            reached()
        numbered = enumerate(self._outbox, start=self.first_id)
        await outbox.append(self.sql, [{**row, "id": id} for id, row in numbered])
        self.commit_sent = True
        await self.sql.commit()

    return commit


MUTANT = Mutant(
    bug="The order of the outbox's ids is not the order of the commits of one aggregate.",
    breaks=("order_per_key",),
    workloads=("orders", "stock"),
    switched_in=attributes(
        (SqlUnitOfWork, "__init__", early_ids), (SqlUnitOfWork, "commit", rows_with_their_ids)
    ),
)
