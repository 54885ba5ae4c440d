"""A handler in trouble: it fails for chosen events, or its lane waits before it, as a scenario wants.

The trouble stands around the real handler, in the real chain; failing happens inside of the
transaction, so that what was done in it must roll back; waiting happens outside of it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from scenarios.harness.settled import default_deadline_s
from system.kit.chains import ChainParts, write_chain
from system.kit.delivery.middleware import Batch, Middleware, Step
from system.kit.delivery.middleware.handled import Handler
from system.kit.events import Envelope, Event
from system.kit.ports.work import UnitOfWork
from system.kit.table import Row
from system.table import TABLE

Picks = Callable[[Any], bool]  # whatever event the topic has


class FaultyHandler:
    """Trouble of one consumer with one type of event."""

    def __init__(self, event: type[Event], consumer: str) -> None:
        self.attempts: Counter[int] = Counter()
        """How often the handler was called for a key, alone or in a batch."""
        self.batches: list[int] = []
        """The sizes of the batches that the handler was called with."""
        self._waiting = asyncio.Event()
        self._event = event
        self._consumer = consumer
        self._fails: Picks = lambda _: False
        self._fails_left: int | None = 0
        self._holds: Picks = lambda _: False
        self._holds_after = 0
        self._released = asyncio.Event()

    def fail(self, picks: Picks, times: int | None = None) -> None:
        """Let the handler fail for these events: so many times, or always."""
        self._fails, self._fails_left = picks, times

    def pass_over(self) -> None:
        """Let the faulty be over."""
        self._fails_left = 0

    def hold(self, picks: Picks, *, after_attempts: int = 0) -> None:
        """Let the lane of these events wait, outside of any transaction, until `release`."""
        self._holds, self._holds_after = picks, after_attempts

    async def waits(self) -> None:
        """Wait until a lane is held. Raises TimeoutError."""
        async with asyncio.timeout(default_deadline_s()):
            await self._waiting.wait()

    def release(self) -> None:
        self._released.set()

    def table(self) -> tuple[Row, ...]:
        """The system's table with this trouble in it."""
        return tuple(self._troubled_row(row) if row.event is self._event else row for row in TABLE)

    def _troubled_row(self, row: Row) -> Row:
        troubled = self._around(row.reacts[self._consumer])
        return replace(row, reacts={**row.reacts, self._consumer: troubled})

    def _around(self, handler: Handler) -> Handler:
        async def troubled(batch: Sequence[Envelope[Any]], unit: UnitOfWork) -> None:
            self.batches.append(len(batch))
            self.attempts.update(envelope.event.key for envelope in batch)
            await handler(batch, unit)
            if self._fails_left != 0 and any(self._fails(envelope.event) for envelope in batch):
                if self._fails_left is not None:
                    self._fails_left -= 1
                raise RuntimeError("in trouble")

        return troubled

    def write_chain(self, made_of: ChainParts) -> list[Middleware]:
        """The system's chain, with the place where a lane can be held just outside of it."""
        *outer, transactional, inboxed = write_chain(made_of)
        return [*outer, self._gate, transactional, inboxed]

    def _gate(self, step: Step) -> Step:
        async def waiting(batch: Batch) -> None:
            if any(self._is_held(envelope.event) for envelope in batch.envelopes):
                self._waiting.set()
                await self._released.wait()
            await step(batch)

        return waiting

    def _is_held(self, event: Event) -> bool:
        is_its_type = isinstance(event, self._event)
        return is_its_type and self._holds(event) and self.attempts[event.key] >= self._holds_after


def of_user(id: int) -> Picks:
    """Picks the events of a user's orders: the user is known before the order is."""
    return lambda event: bool(event.order.user_id == id)
