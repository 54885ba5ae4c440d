"""What a role is, as a table says it. Light: a health check reads it, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What the roles of a system do."""

    COMMANDS = auto()
    """Serves an API of the write side."""
    QUERIES = auto()
    """Serves what the views show."""
    HANDLERS = auto()
    """Relays the events of one aggregate, and handles those of others."""
    PROJECTIONS = auto()
    """Folds all events into the views."""

    @property
    def is_api(self) -> bool:
        return self in (Kind.COMMANDS, Kind.QUERIES)

    @property
    def is_of_views(self) -> bool:
        """Whether it works on the views, and has no database."""
        return self in (Kind.QUERIES, Kind.PROJECTIONS)


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """A process of a system: what it does, its port, and the aggregate whose outbox it relays."""

    name: str
    port: int
    kind: Kind
    relays: str | None = None


def groups(roles: Sequence[RoleSpec]) -> Mapping[str, tuple[str, ...]]:
    """The names that stand for several roles on a command line."""
    return {
        "apis": tuple(spec.name for spec in roles if spec.kind.is_api),
        "consumers": tuple(spec.name for spec in roles if not spec.kind.is_api),
    }
