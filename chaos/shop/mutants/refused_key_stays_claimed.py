"""The Idempotency-Key of a refused command stays claimed, without an answer."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.commands import idempotency


def _kept(reached: Reached, _: Any) -> Any:
    async def let_go(_: Any, keys: Any) -> None:
        if keys:
            reached()

    return let_go


MUTANT = Mutant(
    bug="Whoever corrects a refused command and sends it again is turned away for a day.",
    breaks=("no_internal_error",),
    workloads=("together",),
    switched_in=attribute(idempotency, "let_go", _kept),
)
