"""The handler itself, innermost on the write side."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from system.kit.delivery.middleware import Batch, Step
from system.kit.events import Envelope
from system.kit.ports.work import UnitOfWork

Handler = Callable[[Sequence[Envelope[Any]], UnitOfWork], Awaitable[None]]
"""Events of one topic and partition, in order, 1 to 100. Any: each handler names its own event."""


def handled(handler: Handler) -> Step:
    async def handling(batch: Batch) -> None:
        assert batch.work is not None, "handled stands inside of transactional"
        await handler(batch.envelopes, batch.work)

    return handling
