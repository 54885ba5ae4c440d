"""What an API is made of: routes, what they are asked and what they answer.

The web modules turn a list of routes into a running application and into its OpenAPI document.
A domain's `api.py` lists its routes and knows nothing of aiohttp.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from system.kit.commands.command import Answer as Answer  # noqa: PLC0414 (an API answers with it)
from system.kit.errors import Refused
from system.kit.events import Cause
from system.kit.http.preconditions import NOTHING_DEMANDED, Precondition
from system.kit.ports.views import View


@dataclass(frozen=True, slots=True)
class Request:
    """A request that has passed the checks of its route."""

    cause: Cause
    id: int = 0
    """The `{id}` of the path, where there is one."""
    body: Any = None
    """An instance of the route's body model."""
    query: Any = None
    """An instance of the route's query model."""
    path: str = ""
    """In its canonical spelling: `/accounts/4/close`, also where the client wrote `/accounts/%34/close`."""
    precondition: Precondition = NOTHING_DEMANDED
    raw_body: bytes = b""
    idempotency_key: str | None = None
    consistency_token: str | None = None
    deadline: float = math.inf
    """By the loop's clock: an answer after it reaches no one."""

    @property
    def key(self) -> str | None:
        """Of the command that it is: its Idempotency-Key counts per route and id, and for POST alone."""
        if self.idempotency_key is None:
            return None
        return _hash(f"POST {self.path} {self.idempotency_key}".encode())

    @property
    def fingerprint(self) -> str:
        return _hash(self.raw_body)


@dataclass(frozen=True, slots=True)
class Tag:
    """A group of routes."""

    name: str
    description: str
    view: View | None = None
    """What the query side shows of it. Routes of one resource then answer a Consistency-Token."""


SERVICE = Tag("service", "The service itself: what it is, and whether it is ready for work.")
OPERATIONS = Tag(
    "operations", "For those who run the system: by token, or else from the machine itself."
)
"""Paths under `/admin/`."""


@dataclass(frozen=True, slots=True)
class Route:
    """One call of an API. `path` is in OpenAPI's form, `{id}` the only parameter in it."""

    method: str
    path: str
    summary: str
    run: Callable[[Request], Awaitable[Answer]]
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: int = 200
    answers: type[BaseModel] | None = None
    """The model of a success's body."""
    media_type: str = "application/json"
    """Of a success's body. What is not JSON is text, and has no model."""
    problems: tuple[type[Refused], ...] = ()
    """What this route may refuse with, beside what all do."""
    idempotent_by_key: bool = False
    """Takes an Idempotency-Key."""
    read_your_writes: Sequence[View] = ()
    """Honours a Consistency-Token of these views."""
    example: Mapping[str, Any] | None = None
    """A body to try it with."""
    tag: Tag = SERVICE

    @property
    def is_conditional(self) -> bool:
        """Whether it shows or changes one resource that has an ETag."""
        return self.answers_token and "{id}" in self.path

    @property
    def answers_token(self) -> bool:
        """Whether a success answers a Consistency-Token. A page has none: it is no one document."""
        return self.tag.view is not None and not self.read_your_writes and self.query is None


def tagged(tag: Tag, routes: Sequence[Route]) -> list[Route]:
    """The same routes, as a group."""
    return [replace(route, tag=tag) for route in routes]


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
