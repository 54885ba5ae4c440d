"""What happens around a handler: one concern, one file, one signature, Step -> Step.

A step takes a batch of records of one partition; returning means done, the offset may move.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from system.kit.events import Envelope
from system.kit.ports.log import Record
from system.kit.ports.work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one partition, in order; 1 to 100 of them, in projections 1 to 500."""

    records: tuple[Record, ...]
    envelopes: tuple[Envelope[Any], ...] = ()  # of whatever event the topic has
    work: UnitOfWork | None = None
    waits: bool = True
    """Whether it may wait for rows that others have locked, or is to fail at once."""

    @property
    def single(self) -> bool:
        return len(self.records) == 1

    def only(self, numbers: Sequence[int], *, waits: bool = True) -> Batch:
        """Some of its records, by their places in it."""
        return replace(
            self,
            records=tuple(self.records[number] for number in numbers),
            envelopes=tuple(self.envelopes[number] for number in numbers),
            waits=waits,
        )


Step = Callable[[Batch], Awaitable[None]]
Middleware = Callable[[Step], Step]
