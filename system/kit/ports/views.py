"""The view store: documents of versioned parts, in generations. MongoDB, or its embedded twin.

Last writer wins *per part*: no writer needs to know another aggregate's version, and folding
the same puts in any order, any number of times, gives the same document.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

Fields = Mapping[
    str, Any
]  # JSON values, Decimal and datetime; known only to the view that shows them


@dataclass(frozen=True, slots=True)
class Put:
    """Set one part of a document, if `version` is newer than what is there.

    `fields=None` says that the part is gone: a tombstone, kept so that late puts lose.
    """

    view: str
    key: int
    part: str
    version: int
    fields: Fields | None


@dataclass(frozen=True, slots=True)
class Document:
    key: int
    parts: Mapping[str, Fields | None]
    versions: Mapping[str, int]

    def has(self, parts: Collection[str]) -> bool:
        """Whether all these parts are there and none of them is gone."""
        return all(self.parts.get(part) is not None for part in parts)


@dataclass(frozen=True, slots=True)
class Generations:
    """Which generation is read, which is being built, and the highest number ever given."""

    live: int | None = None
    building: int | None = None
    last: int = 0


class Views(Protocol):
    """One generation of views."""

    async def put(self, puts: Sequence[Put]) -> None:
        """Apply each put whose version is newer.

        Raises Frozen, Unavailable, TimedOut; Fenced once another generation is live in its place.
        """
        ...

    async def get(self, view: str, keys: Collection[int]) -> Mapping[int, Document]:
        """The documents with these keys, tombstones too."""
        ...

    async def page(
        self, view: str, *, after: int, limit: int, having: Collection[str], where: Fields
    ) -> Sequence[Document]:
        """The next documents by key that have all the parts `having`.

        `where` maps "part.field" to the value that it must equal.
        """
        ...


class ViewStore(Protocol):
    def generation(self, number: int) -> Views: ...

    async def generations(self) -> Generations: ...

    async def switch(
        self, old: Generations, new: Generations, *, freeze: str | None = None
    ) -> bool:
        """Set `new` if `old` still holds; whether it did.

        Where another generation goes live in the place of one, this very `freeze` of the old one
        must not have ended: puts may have landed since. A generation that was live takes no puts
        any more: a reader that still holds its number must not see what its successor lacks.
        """
        ...

    async def freeze(self, number: int, seconds: float) -> str:
        """Let no put land in this generation any more, for `seconds` at the most.

        Returns when none is under way, with what `thaw` and `switch` know this freeze by.
        Raises Frozen while it is frozen already; Unavailable, TimedOut.
        """
        ...

    async def thaw(self, number: int, freeze: str) -> None:
        """End this freeze, and none that another began meanwhile."""
        ...

    async def clear(self, number: int) -> None:
        """Drop a generation that no reader reads."""
        ...

    async def ping(self) -> None:
        """A sign of life. Raises Unavailable."""
        ...


Related = Mapping[str, Mapping[int, Document]]
"""Per view, the documents that another document refers to."""


@dataclass(frozen=True, slots=True)
class View:
    """How the query side shows the documents of one view."""

    name: str
    parts: Collection[str]
    required: Collection[str]
    """Without all of these a document is not visible yet; with `self` gone it is not any more."""
    show: Callable[[Document, Related], Mapping[str, Any]]
    """The resource: JSON values, Decimal and datetime."""
    resource: type[BaseModel]
    filters: type[BaseModel]
    """The list's parameters; each but `limit` and `after` names a field of `self`."""
    refers_to: Callable[[Document], Mapping[str, Collection[int]]] = lambda _: {}
    """Per view, the keys of what `show` wants to look up."""
