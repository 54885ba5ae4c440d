"""The embedded view store: MongoDB's twin in memory. Views are rebuilt from the log, so none stay.

What is stored is never shared: documents are copied on the way in and on the way out.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right, insort
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import count, islice
from typing import Any

from system.kit.errors import Fenced, Frozen
from system.kit.ports.views import Document, Fields, Generations, Put, Views
from system.kit.turns import in_turns


class EmbeddedViewStore:
    """All generations of views, shared by the processes of one stack."""

    def __init__(self) -> None:
        self.current = Generations()
        """What `generations` answers; a harness reads it here, without a call to the store."""
        self._views: dict[int, dict[str, _View]] = {}
        self._freezes: dict[int, tuple[str, float]] = {}
        """Per generation the last freeze, and when it ends."""
        self._freeze_numbers = count(1)
        self._retired: set[int] = set()

    def generation(self, number: int) -> Views:
        return EmbeddedViews(self, number)

    async def generations(self) -> Generations:
        return self.current

    async def switch(
        self, old: Generations, new: Generations, *, freeze: str | None = None
    ) -> bool:
        if self.current != old:
            return False
        if new.live != old.live and old.live is not None:
            if freeze is None or self.freeze_of(old.live) != freeze:
                return False
            self._retired.add(old.live)
        self.current = new
        return True

    async def freeze(self, number: int, seconds: float) -> str:
        # Puts are atomic here: none can be under way.
        if self.freeze_of(number) is not None:
            raise Frozen(f"generation {number} is frozen already")
        freeze = str(next(self._freeze_numbers))
        self._freezes[number] = (freeze, asyncio.get_running_loop().time() + seconds)
        return freeze

    async def thaw(self, number: int, freeze: str) -> None:
        if self.freeze_of(number) == freeze:
            del self._freezes[number]

    def freeze_of(self, number: int) -> str | None:
        """The freeze that has not ended."""
        freeze, until = self._freezes.get(number, (None, 0.0))
        return freeze if asyncio.get_running_loop().time() < until else None

    def is_retired(self, number: int) -> bool:
        return number in self._retired

    async def clear(self, number: int) -> None:
        self._views.pop(number, None)
        self._freezes.pop(number, None)

    async def ping(self) -> None:
        """Memory is always there."""

    def view(self, number: int, name: str) -> _View:
        return self._views.setdefault(number, {}).setdefault(name, _View())


class EmbeddedViews:
    """One generation."""

    def __init__(self, store: EmbeddedViewStore, number: int) -> None:
        self._store = store
        self._number = number

    async def put(self, puts: Sequence[Put]) -> None:
        if self._store.is_retired(self._number):
            raise Fenced(f"generation {self._number} is not live any more")
        if self._store.freeze_of(self._number) is not None:
            raise Frozen(f"generation {self._number} takes no puts for now")
        for put in puts:
            self._store.view(self._number, put.view).put(put)

    async def get(self, view: str, keys: Collection[int]) -> Mapping[int, Document]:
        documents = self._store.view(self._number, view).documents
        found = [documents[key] for key in sorted(keys) if key in documents]
        return {document.key: _copy(document) async for document in in_turns(found)}

    async def page(
        self, view: str, *, after: int, limit: int, having: Collection[str], where: Fields
    ) -> Sequence[Document]:
        matching = (
            document
            for document in self._store.view(self._number, view).after(after)
            if document.has(having) and _matches(document, where)
        )
        # a put makes a new document, so these stay what they are while others have their turn
        found = list(islice(matching, limit))
        return [_copy(document) async for document in in_turns(found)]


class _View:
    """The documents of one view, and their keys in order."""

    def __init__(self) -> None:
        self.documents: dict[int, Document] = {}
        self._keys: list[int] = []

    def put(self, put: Put) -> None:
        document = self.documents.get(put.key)
        if document is None:
            document = Document(put.key, {}, {})
            insort(self._keys, put.key)
        elif document.versions.get(put.part, put.version - 1) >= put.version:
            return
        self.documents[put.key] = Document(
            put.key,
            {**document.parts, put.part: _own(put.fields)},
            {**document.versions, put.part: put.version},
        )

    def after(self, key: int) -> Iterator[Document]:
        for position in range(bisect_right(self._keys, key), len(self._keys)):
            yield self.documents[self._keys[position]]


def _matches(document: Document, where: Fields) -> bool:
    return all(_value(document, place) == wanted for place, wanted in where.items())


def _value(document: Document, place: str) -> object:
    part, _, name = place.partition(".")
    fields = document.parts.get(part)
    return None if fields is None else fields.get(name)


def _copy(document: Document) -> Document:
    return Document(document.key, _own(document.parts), dict(document.versions))


def _own(value: Any) -> Any:  # JSON values of any shape
    """Copy all that could be changed; the rest is shared."""
    if isinstance(value, Mapping):
        return {name: _own(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_own(member) for member in value]
    return value
