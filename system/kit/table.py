"""What a system is made of, as tables: its roles, what its events lead to, its views, its routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from system.kit.commands.group_commit import Commands
from system.kit.delivery.middleware.handled import Handler
from system.kit.delivery.middleware.projected import Projection
from system.kit.events import Event, dlq
from system.kit.http.route import Route
from system.kit.ports.views import View
from system.kit.ports.work import UnitOfWorkFactory
from system.kit.spec import RoleSpec, groups

Routes = Callable[[UnitOfWorkFactory, Commands], list[Route]]
"""What an API of the write side serves."""


@dataclass(frozen=True, slots=True)
class Row:
    """One event: by whom it is handled, and what it shows."""

    event: type[Event]
    reacts: Mapping[str, Handler]
    """By consumer."""
    shows: Sequence[Projection]


def row(event: type[Event], *, shows: Sequence[Projection], **reacts: Handler) -> Row:
    """One event: `billing_consumer=…` names the consumer and its handler."""
    handlers = {name.replace("_", "-"): handler for name, handler in reacts.items()}
    return Row(event, handlers, shows)


@dataclass(frozen=True, slots=True)
class System:
    """All of a system. Stacks, roles and processes are built from it."""

    roles: Sequence[RoleSpec]
    rows: Sequence[Row]
    views: Sequence[View]
    routes: Mapping[str, Routes]
    """By API of the write side."""

    def role(self, name: str) -> RoleSpec:
        return next(spec for spec in self.roles if spec.name == name)

    @property
    def consumers(self) -> Sequence[str]:
        return groups(self.roles)["consumers"]

    @property
    def topics(self) -> Sequence[str]:
        return [row.event.type for row in self.rows]

    @property
    def all_topics(self) -> Sequence[str]:
        """With those of dead letters."""
        return [*self.topics, *map(dlq, self.topics)]

    @property
    def events(self) -> dict[str, type[Event]]:
        """The model of each topic."""
        return {row.event.type: row.event for row in self.rows}

    @property
    def projections(self) -> dict[str, Sequence[Projection]]:
        """The projections of each topic."""
        return {row.event.type: row.shows for row in self.rows}

    def handlers_of(self, consumer: str) -> dict[str, Handler]:
        """The handler of each topic that a consumer of the write side reads."""
        return {row.event.type: row.reacts[consumer] for row in self.rows if consumer in row.reacts}
