"""The domain's own part, innermost."""

from __future__ import annotations

from typing import Any

from system.kit.commands.batch import Batch, Step
from system.kit.commands.command import ActOnAll


def acted(act: ActOnAll[Any]) -> Step:  # each act names its own command
    async def acting(batch: Batch) -> None:
        assert batch.unit is not None, "acted stands inside of committed"
        fresh = batch.fresh
        outcomes = await act([member.command for member in fresh], batch.unit)
        batch.outcomes.update(zip(fresh, outcomes, strict=True))

    return acting
