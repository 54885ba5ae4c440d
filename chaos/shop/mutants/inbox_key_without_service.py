"""The seed's inbox: an event's id alone is the key, in a database that services share."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.delivery import inbox


def _of_anybody(reached: Reached, _: Any) -> Any:
    async def known(
        sql: AsyncConnection, service: str, ids: Collection[UUID], **_: object
    ) -> set[UUID]:
        table = inbox.processed_events
        wanted = table.c.event_id.in_([str(id) for id in ids])
        found = await sql.execute(select(table.c.event_id, table.c.service_name).where(wanted))
        rows = found.all()
        if any(name != service for _, name in rows):
            reached()
        return {UUID(id) for id, _ in rows}

    return known


MUTANT = Mutant(
    bug="What one service has handled is hidden from the others.",
    breaks=("events_have_their_effect",),
    workloads=("orders",),
    switched_in=attribute(inbox, "known", _of_anybody),
)
