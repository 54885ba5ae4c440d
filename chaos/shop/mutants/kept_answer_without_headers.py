"""What is kept for an Idempotency-Key is the answer's body, without its headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.commands import idempotency
from system.kit.http.route import Answer


def _bare(reached: Reached, right: Any) -> Any:
    async def keep(unit: Any, answered: Mapping[str, Answer]) -> None:
        if answered:
            reached()
        await right(unit, {key: replace(answer, headers={}) for key, answer in answered.items()})

    return keep


MUTANT = Mutant(
    bug="Who repeats a request learns neither where its order is, nor how to read it.",
    breaks=("idempotency_key_honoured",),
    workloads=("together",),
    switched_in=attribute(idempotency, "keep", _bare),
)
