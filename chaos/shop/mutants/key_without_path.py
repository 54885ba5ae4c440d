"""An Idempotency-Key counts for whatever command it comes with."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.http.route import Request


def _bare(reached: Reached, _: Any) -> Any:
    def key(request: Any) -> Any:
        if request.idempotency_key is None:
            return None
        reached()
        return sha256(request.idempotency_key.encode()).hexdigest()

    return property(key)


MUTANT = Mutant(
    bug="A second order that is paid with the first one's key is answered, and not paid.",
    breaks=("acknowledged_has_its_event",),
    workloads=("together",),
    switched_in=attribute(Request, "key", _bare),
)
