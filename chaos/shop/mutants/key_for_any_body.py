"""An Idempotency-Key gets its stored answer, whatever is asked for."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.http.route import Request


def _whatever(reached: Reached, _: Any) -> Any:
    def fingerprint(_: Any) -> str:
        reached()
        return "0" * 64

    return property(fingerprint)


MUTANT = Mutant(
    bug="A second order under a used key is answered as if it had been placed.",
    breaks=("idempotency_key_honoured",),
    workloads=("together",),
    switched_in=attribute(Request, "fingerprint", _whatever),
)
