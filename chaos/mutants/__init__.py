"""A gallery of classic bugs. Each file but `mutant.py` and `hunt.py` holds one, under its own name."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from chaos.mutants.mutant import Mutant

_NO_MUTANTS = {"mutant", "hunt", "test_mutants"}


def _all() -> dict[str, Mutant]:
    names = sorted(module.name for module in iter_modules(__path__))
    return {
        name: import_module(f"{__name__}.{name}").MUTANT
        for name in names
        if name not in _NO_MUTANTS
    }


MUTANTS: dict[str, Mutant] = _all()
