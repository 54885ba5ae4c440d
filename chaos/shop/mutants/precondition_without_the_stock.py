"""If-Match is compared with the product's own version alone, and not with its stock's."""

from __future__ import annotations

from typing import Any

from chaos.kit.simulated.mutant import Mutant, Reached, attribute
from system.kit.errors import PreconditionFailed
from system.kit.http.preconditions import Precondition


def _of_the_product(tag: str) -> str:
    return tag.strip('"').partition("-")[0]


def _compares_less(reached: Reached, _: Any) -> Any:
    def demand_match(self: Precondition, tag: str) -> None:
        if self.match is None:
            return
        reached()
        if _of_the_product(tag) not in map(_of_the_product, self.match):
            raise PreconditionFailed

    return demand_match


MUTANT = Mutant(
    bug="Who changes a product as it was seen overlooks that some of it was sold meanwhile.",
    breaks=("changes_follow_what_was_seen",),
    workloads=("demands",),
    switched_in=attribute(Precondition, "demand_match", _compares_less),
)
