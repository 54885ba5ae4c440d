"""A gallery of classic bugs. Each file holds one, under its own name; some come from the kit.

Raises BadMutant on import, with a line for whoever has just written one.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from chaos.kit.mutants import (
    dual_write,
    no_inbox,
    published_before_ack,
    random_partition_key,
    skip_a_failed_row,
    unclaimed_double_relay,
)
from chaos.kit.simulated.mutant import BadMutant, Mutant
from chaos.shop.checkers import CHECKERS
from chaos.shop.workloads import WORKLOADS

_OF_THE_KIT = {
    "dual_write": dual_write.MUTANT.hunted_in("orders", "stock"),
    "published_before_ack": published_before_ack.MUTANT.hunted_in("orders"),
    "no_inbox": no_inbox.MUTANT.hunted_in("orders", timed_faults=("duplicate@order.paid:0.6:0",)),
    "random_partition_key": random_partition_key.MUTANT.hunted_in("orders", "stock"),
    "skip_a_failed_row": skip_a_failed_row.MUTANT.hunted_in("orders"),
    "unclaimed_double_relay": unclaimed_double_relay.MUTANT.hunted_in("twins"),
}
_NO_MUTANTS = {"test_mutants"}


def _all() -> dict[str, Mutant]:
    names = {module.name for module in iter_modules(__path__)} - _NO_MUTANTS
    return dict(sorted({**_OF_THE_KIT, **{name: load(name) for name in names}}.items()))


def load(name: str) -> Mutant:
    """The mutant of this file. Raises BadMutant."""
    made: Mutant | None = getattr(import_module(f"{__name__}.{name}"), "MUTANT", None)
    if made is None:
        raise BadMutant(f"chaos/shop/mutants/{name}.py has no MUTANT; its helpers belong into it")
    for what, names, known in (
        ("checker", made.breaks, CHECKERS),
        ("workload", made.workloads, WORKLOADS),
    ):
        if unknown := set(names) - known.keys():
            unknown_names = ", ".join(sorted(unknown))
            raise BadMutant(
                f"chaos/shop/mutants/{name}.py: there is no {what} {unknown_names};"
                f" there are {', '.join(known)}"
            )
    return made


MUTANTS: dict[str, Mutant] = _all()
