"""What a command line knows of its system before anything of it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from system.kit.spec import Kind, RoleSpec, groups

if TYPE_CHECKING:
    from system.kit.settings import KitSettings
    from system.kit.table import System


@dataclass(frozen=True, slots=True)
class Program:
    """A system as a command: `python -m NAME [ROLE …]`. What takes time to load is asked for late."""

    name: str
    """As it is typed: `python -m system`."""
    description: str
    epilog: str
    roles: Sequence[RoleSpec]
    example: tuple[str, str]
    """A topic and one of its consumers, for the help of operations."""
    topics: Callable[[], Sequence[str]]
    system: Callable[[], System]
    settings: Callable[[], KitSettings]
    """Reads them. Raises BadSettings."""
    try_it: Callable[[Mapping[str, str]], str] = lambda _: ""
    """What is said once all roles run; given their URLs."""

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]:
        return groups(self.roles)

    @property
    def consumers(self) -> Mapping[str, int]:
        """Their ports."""
        return {spec.name: spec.port for spec in self.roles if not spec.kind.is_api}

    @property
    def projects(self) -> str:
        """The consumer of the views."""
        return next(spec.name for spec in self.roles if spec.kind is Kind.PROJECTIONS)


def listed(roles: Sequence[RoleSpec]) -> str:
    """The roles with their ports, and the groups of roles, for the end of a help."""
    ports = "\n".join(f"  {spec.name:<18}{spec.port}" for spec in roles)
    names = "\n".join(f"  {name:<18}{' '.join(of)}" for name, of in groups(roles).items())
    return f"roles, each with its port:\n{ports}\ngroups of roles:\n{names}\n"
