"""What the simulation has to be told of a system: its table, its stories, its judges, its bugs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from sqlalchemy import MetaData

from chaos.kit.checkers import Checker
from chaos.kit.simulated.mutant import Mutant
from chaos.kit.simulated.parts import SETTINGS
from chaos.kit.simulated.workload import Workload
from chaos.kit.systems import api_by_name, groups
from system.kit.columns import metadata
from system.kit.roles import Blueprint
from system.kit.table import System

Item = dict[str, Any]  # JSON values


def as_it_is(item: Item) -> Item:
    """For views whose values checkers compare as they are read."""
    return item


@dataclass(frozen=True)
class Subject:
    """A system under test, as a value. `chaos/accounts/subject.py` has a small one."""

    at: str
    """Where this value stands, as `chaos.accounts.subject:ACCOUNTS`: other processes load it from there."""
    system: System
    setting_up: Workload
    """What happens once, before each schedule: the world that it finds."""
    workloads: Mapping[str, Workload]
    checkers: Mapping[str, Checker]
    mutants: Mapping[str, Mutant]
    anomalies: Mapping[str, str]
    """What each word of a checker means."""
    tables: Sequence[MetaData] = (metadata,)
    """What is made in the write model."""
    api_of: Callable[[str], str] = api_by_name
    """The API of the write side that serves a path."""
    shown: Callable[[Item], Item] = as_it_is
    """What checkers get to see of a view's item."""
    known_failures: Path | None = None
    """A file of schedules that once found a flaw, one in a line: they are run first."""
    program: str = "python -m chaos"
    """What to type before `simulate`, `replay` and `mutants`."""
    page: str = "--help"
    """Where its mutants are listed."""

    @cached_property
    def blueprint(self) -> Blueprint:
        """By which its roles are built, unless a mutant has them built otherwise."""
        return Blueprint(self.system, SETTINGS)

    @cached_property
    def groups(self) -> Sequence[str]:
        return groups(self.system)

    @property
    def table_names(self) -> Sequence[str]:
        return [name for made in self.tables for name in made.tables]

    @property
    def regressions(self) -> Sequence[str]:
        """The schedules that once found a flaw."""
        if self.known_failures is None:
            return ()
        lines = self.known_failures.read_text(encoding="utf-8").splitlines()
        return [line for line in lines if line and not line.startswith("#")]

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        """Pickled as a module is: by its name."""
        return resolve_name, (self.at,)
