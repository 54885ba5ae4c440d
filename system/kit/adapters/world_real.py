"""The world as it is: the machine's clock and its randomness."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from uuid import UUID, uuid4


class RealWorld:
    """Ids are drawn from the operating system; chance is too, but once, unless a seed is given."""

    def __init__(self, seed: int | None = None) -> None:
        self.random = Random(seed)

    def now(self) -> datetime:
        return datetime.now(UTC)

    def new_id(self) -> UUID:
        return uuid4()
