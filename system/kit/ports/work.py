"""The write model: one transaction at a time, with the events that it causes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from sqlalchemy import Table
from sqlalchemy.ext.asyncio import AsyncConnection

from system.kit.events import Cause, Event
from system.kit.ports.world import Now

Row = Mapping[str, Any]  # a column's value has the column's type


class UnitOfWork(Protocol):
    """An open transaction. Errors of `sql` arrive as the kinds of `kit.errors`."""

    sql: AsyncConnection
    now: Now
    waits: bool
    """Whether it may wait for rows that others have locked; `locks.take` asks."""

    def emit(self, event: Event, *, because: Cause) -> None:
        """Keep the event; it is inserted into the outbox last, when all its rows are locked.

        Raises ValueError for an event over 256 kB, which would block its aggregate for ever.
        """
        ...

    async def insert(self, table: Table, rows: Sequence[Row]) -> Sequence[int]:
        """Insert rows in one statement; their generated ids, in the order of the rows."""
        ...

    async def update_each(self, table: Table, rows: Sequence[Row]) -> None:
        """Give each row values of its own, in one statement. A row's first value is its key's."""
        ...


UnitOfWorkFactory = Callable[[], AbstractAsyncContextManager[UnitOfWork]]
"""Opens a transaction and commits it on leaving; an exception rolls all of it back.

One bound holds around all of it. Raises Conflict, Unavailable, TimedOut; OutcomeUnknown
if and only if COMMIT was sent and not answered.
"""

Probe = Callable[[], Awaitable[None]]
"""Asks a store for a sign of life on a fresh connection. Raises Unavailable."""
