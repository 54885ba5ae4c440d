"""The system with a bug switched in, embedded and in one process: to see the judge name it.

`chaos/shop/mutants` has the gallery, hunted in simulated time. These three are for the real clock: each
shows in a few orders. They replace a row of the table, from outside.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from system.events import OrderCreated
from system.kit import logs, process, stacks
from system.kit.delivery.middleware.handled import Handler
from system.kit.events import Envelope
from system.kit.http.server import CannotListen
from system.kit.lifespan import Lifespan
from system.kit.ports.work import UnitOfWork
from system.kit.roles import Blueprint, build
from system.kit.settings import BadSettings
from system.kit.table import Row
from system.roles import ROLES
from system.settings import load_settings
from system.table import SHOP, TABLE

EVERY = 3
"""So many orders are as they should be, for one that is not."""


def _takes_one_of_each(right: Handler) -> Handler:
    """Reserve a single piece, however many an order wants."""

    async def reserve(batch: Sequence[Envelope[Any]], unit: UnitOfWork) -> None:
        await right([_of_one_each(envelope) for envelope in batch], unit)

    return reserve


def _of_one_each(envelope: Envelope[OrderCreated]) -> Envelope[OrderCreated]:
    order = envelope.event.order
    items = [item.model_copy(update={"quantity": 1}) for item in order.items]
    order = order.model_copy(update={"items": items})
    return replace(envelope, event=envelope.event.model_copy(update={"order": order}))


def _misses_some(right: Handler) -> Handler:
    """Never hear of some orders."""

    async def reserve(batch: Sequence[Envelope[Any]], unit: UnitOfWork) -> None:
        if heard := [one for one in batch if one.event.order_id % EVERY]:
            await right(heard, unit)

    return reserve


def _oversell(row: Row) -> Row:
    return replace(row, reacts={name: _takes_one_of_each(h) for name, h in row.reacts.items()})


def _lost_event(row: Row) -> Row:
    return replace(row, reacts={name: _misses_some(h) for name, h in row.reacts.items()})


def _missing_view(row: Row) -> Row:
    shows = [
        lambda event, right=right: right(event) if event.order_id % EVERY else ()
        for right in row.shows
    ]
    return replace(row, shows=shows)


MUTANTS: Mapping[str, Callable[[Row], Row]] = {
    "oversell": _oversell,
    "lost-event": _lost_event,
    "missing-view": _missing_view,
}
"""What each of them makes of the row of OrderCreated."""


def run(names: Sequence[str]) -> int:
    """Run it with these bugs until SIGINT or SIGTERM; the exit status."""
    try:
        asyncio.run(_serve([MUTANTS[name] for name in names]))
    except BadSettings as error:
        return _fail(str(error), 2)
    except BaseExceptionGroup as group:
        expected, others = group.split(CannotListen)
        if expected is None or others is not None:
            raise
        return _fail(str(expected.exceptions[0]), 1)
    return 0


async def _serve(bugs: Sequence[Callable[[Row], Row]]) -> None:
    settings = load_settings()
    logs.configure(settings.log_format, settings.log_level, "system")
    lifespan = Lifespan()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lifespan.stopping.set)
    table = tuple(_with(bugs, row) if row.event is OrderCreated else row for row in TABLE)
    async with stacks.embedded(settings, SHOP.all_topics) as parts:
        if not await process.prepared(ROLES, parts, lifespan):
            return
        blueprint = Blueprint(replace(SHOP, rows=table), settings)
        made = [build(spec.name, parts, blueprint, lifespan) for spec in ROLES]
        greeting = asyncio.create_task(_greet(lifespan))
        try:
            await process.run(made, lifespan)
        finally:
            greeting.cancel()


def _with(bugs: Sequence[Callable[[Row], Row]], row: Row) -> Row:
    for bug in bugs:
        row = bug(row)
    return row


async def _greet(lifespan: Lifespan) -> None:
    await lifespan.all_ready.wait()
    sys.stdout.write("The system runs, with bugs. Ctrl-C stops.\n")
    sys.stdout.flush()


def _fail(problem: str, status: int) -> int:
    sys.stderr.write(f"python -m load mutant: {problem}\n")
    return status
