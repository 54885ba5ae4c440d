"""An Idempotency-Key counts for whatever command it comes with."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.commands import idempotency


def _bare(reached: Reached, _: Any) -> Any:
    def key_id(request: Any) -> Any:
        if request.idempotency_key is None:
            return None
        reached()
        return idempotency._hash(request.idempotency_key.encode())  # noqa: SLF001

    return key_id


MUTANT = Mutant(
    bug="A second order that is paid with the first one's key is answered, and not paid.",
    breaks=("acknowledged_is_kept",),
    workloads=("together",),
    switched_in=attribute(idempotency, "key_id", _bare),
)
