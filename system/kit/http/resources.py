"""One kind of thing as an API shows it: its body, its lists, and the headers that name its state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from system.kit.commands.command import Answer
from system.kit.errors import NotFound
from system.kit.events import Decision, Event
from system.kit.http.headers import ETAG
from system.kit.http.paging import cut, page_body
from system.kit.http.route import Request
from system.kit.http.tokens import stamps, token
from system.kit.ports.work import UnitOfWork
from system.kit.values import dumps

S = TypeVar("S")

Shown = Mapping[str, Any]  # JSON values of several types
Save = Callable[[UnitOfWork, S], Awaitable[None]]
Remove = Callable[[UnitOfWork, int], Awaitable[None]]


def fields_of(model: type[BaseModel]) -> Callable[[object], Shown]:
    """Shows the attributes of a state that this model names."""
    names = tuple(model.model_fields)
    return lambda state: {name: getattr(state, name) for name in names}


@dataclass(frozen=True, slots=True)
class Resource(Generic[S]):
    """How the states of one kind of thing are answered."""

    name: str
    plural: str
    """The name of its lists, and of its view."""
    id: Callable[[S], int]
    shown: Callable[[S], Shown]
    versions: Callable[[S], Mapping[str, int]]
    """Of the parts of its document, as its body shows them."""
    missing: type[NotFound]

    def there(self, request: Request, found: S | None) -> S:
        """What was found. Raises the resource's own NotFound."""
        if found is None:
            raise self.missing(f"there is no {self.name} {request.id}")
        return found

    def demanded(self, request: Request, found: S | None) -> S:
        """What was found, and is locked, if it is as the request demands.

        Raises PreconditionFailed.
        """
        state = self.there(request, found)
        request.precondition.demand(self._stamps(state)[ETAG])
        return state

    def answer(self, state: S) -> Answer:
        return Answer(200, dumps(self.shown(state)), self._stamps(state))

    def emit_created(
        self, decision: Decision[S, Event], request: Request, unit: UnitOfWork
    ) -> Answer:
        """Emit what was decided. The rows are inserted already, for that gave them their ids."""
        state = _emitted(decision, request, unit)
        headers = {"Location": f"/{self.plural}/{self.id(state)}", **self._stamps(state)}
        return Answer(201, dumps(self.shown(state)), headers)

    async def save_changed(
        self, decision: Decision[S, Event], request: Request, unit: UnitOfWork, save: Save[S]
    ) -> Answer:
        """Save what was decided, and emit it. Without events nothing has changed."""
        state = _emitted(decision, request, unit)
        if decision[1]:
            await save(unit, state)
        return self.answer(state)

    async def save_removed(
        self,
        decision: Decision[None, Any],  # whichever event says it: each has the last version
        request: Request,
        unit: UnitOfWork,
        remove: Remove,
    ) -> Answer:
        """Remove the rows, and emit that they are gone."""
        _, (event,) = decision
        await remove(unit, request.id)
        unit.emit(event, because=request.cause)
        return Answer(204, headers=token(self.plural, request.id, self=event.version))

    async def page(self, rows: Sequence[S], limit: int) -> Answer:
        """Of up to `limit + 1` states: one too many means that more follow."""
        states, next = cut(rows, limit, self.id)
        return Answer(200, await page_body(self.plural, states, next, self.shown))

    def _stamps(self, state: S) -> dict[str, str]:
        return stamps(self.plural, self.id(state), **self.versions(state))


def _emitted(decision: Decision[S, Event], request: Request, unit: UnitOfWork) -> S:
    state, events = decision
    for event in events:
        unit.emit(event, because=request.cause)
    return state
