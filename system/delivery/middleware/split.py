"""Halve a batch that failed, so that one bad message never takes the others along."""

from __future__ import annotations

from dataclasses import replace

from system.delivery.middleware import Batch, Step
from system.ports.errors import Lost, Stopping, TimedOut, Unavailable


def split(step: Step) -> Step:
    """A batch shares one transaction, which has rolled back: nothing of it happened.

    No savepoints: they cost two round trips a message, and a deadlock destroys them anyway.
    """

    async def splitting(batch: Batch) -> None:
        try:
            await step(batch)
        except (Lost, Stopping):
            raise
        except Exception as error:
            too_much_at_once = isinstance(error, TimedOut) or not isinstance(error, Unavailable)
            if batch.single or not too_much_at_once:
                raise
            middle = len(batch.records) // 2
            for part in (slice(None, middle), slice(middle, None)):
                await splitting(
                    replace(batch, records=batch.records[part], envelopes=batch.envelopes[part])
                )

    return splitting
