"""An Idempotency-Key gets its stored answer, whatever is asked for."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.commands import idempotency


def _whatever(reached: Reached, _: Any) -> Any:
    def body_hash(_: Any) -> str:
        reached()
        return "0" * 64

    return body_hash


MUTANT = Mutant(
    bug="A second order under a used key is answered as if it had been placed.",
    breaks=("idempotency_key_honoured",),
    workloads=("together",),
    switched_in=attribute(idempotency, "body_hash", _whatever),
)
