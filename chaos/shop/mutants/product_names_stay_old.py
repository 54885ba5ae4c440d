"""An order shows its products by the names that they had when it was placed."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.orders import views


def _as_it_was(reached: Reached, right: Any) -> Any:
    def newest(known: Any, document: Any) -> Any:
        if document is None or "stock" not in document.parts:
            return right(known, document)  # of a user
        reached()
        return known["name"]

    return newest


MUTANT = Mutant(
    bug="A product is renamed, and lists of orders go on with its old name.",
    breaks=("views_show_the_truth",),
    workloads=("stock",),
    switched_in=attribute(views, "_newest", _as_it_was),
)
