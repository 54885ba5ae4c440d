"""Loyalty points: a handler as others would add it, with no guard of its own but the inbox.

Each paid order earns one point for each of two programs, and both consumers read the same event.
The count is bare (`count + 1`) and goes in two steps, so whatever is handled twice, or by half,
stays visible for ever. For orders that it is told to mind, it fails until it is mended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select, update

from chaos.kit.simulated.parts import SETTINGS
from system.events import OrderPaid
from system.kit.delivery.middleware.handled import Handler
from system.kit.events import Envelope
from system.kit.ports.work import UnitOfWork

PROGRAMS = ("order-consumer", "product-consumer")
"""Which consumers run a program each."""
MINDED_METHOD = "voucher"
"""Orders paid so cannot be handled until the handler is mended."""
MENDED_AT_S = 1.0 + sum(SETTINGS.retry_delays_s)
"""When all tries of what was paid in the first second are used up, so that it lies among the dead."""

points = Table(
    "points",
    MetaData(),
    Column("program", String(50), primary_key=True),
    Column("user_id", Integer, primary_key=True),
    Column("begun", Integer, nullable=False),
    Column("ended", Integer, nullable=False),
)


class NotMendedYet(Exception):
    """The handler has a bug that a later release mends."""


def earn(program: str) -> Handler:
    """The handler of one program."""

    async def earning(batch: Sequence[Envelope[OrderPaid]], unit: UnitOfWork) -> None:
        for envelope in batch:
            order = envelope.event.order
            await _count(unit, program, order.user_id, "begun")
            if order.payment_method == MINDED_METHOD and not _is_mended():
                raise NotMendedYet(f"order {order.id} was paid with a {MINDED_METHOD}")
            await _count(unit, program, order.user_id, "ended")

    return earning


async def _count(unit: UnitOfWork, program: str, user_id: int, step: str) -> None:
    is_row = (points.c.program == program) & (points.c.user_id == user_id)
    found = (
        await unit.sql.execute(select(points.c[step]).where(is_row).with_for_update())
    ).one_or_none()
    if found is None:
        row = {"program": program, "user_id": user_id, "begun": 0, "ended": 0, step: 1}
        await unit.sql.execute(insert(points), [row])
        return
    await unit.sql.execute(update(points).where(is_row).values({step: found[0] + 1}))


def _is_mended() -> bool:
    return asyncio.get_running_loop().time() >= MENDED_AT_S
