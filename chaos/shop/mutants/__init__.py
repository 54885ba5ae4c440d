"""A gallery of classic bugs. Each file holds one, under its own name.

Raises BadMutant on import, with a line for whoever has just written one.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from chaos.kit.simulated.mutant import BadMutant, Mutant
from chaos.shop.checkers import CHECKERS
from chaos.shop.workloads import WORKLOADS

_NO_MUTANTS = {"test_mutants"}


def _all() -> dict[str, Mutant]:
    names = sorted(module.name for module in iter_modules(__path__))
    return {name: load(name) for name in names if name not in _NO_MUTANTS}


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
