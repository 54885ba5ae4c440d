"""A product's token names the version of the product for its stock, too."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.http import tokens


def _same(reached: Reached, right: Any) -> Any:
    def token(view: str, key: int, **versions: int) -> Any:
        if "stock" in versions:
            reached()
        return right(view, key, **dict.fromkeys(versions, versions["self"]))

    return token


MUTANT = Mutant(
    bug="A reader waits for a version of the stock that is long past, or that never comes.",
    breaks=("consistency_token_honoured",),
    workloads=("stock",),
    switched_in=attribute(tokens, "token", _same),
)
