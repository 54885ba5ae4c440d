"""Read your writes: a reader that sends a write's token waits until the views show that write.

It asks the documents themselves, holds no offsets, and reads the pointer to the live generation
at each turn: so it survives rebuilds and is the same on all stacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from system.kit.errors import NotReady, ViewBehind
from system.kit.http.tokens import Term, terms
from system.kit.ports.views import Document, View, Views, ViewStore

WAIT_S = 2.0
POLL_MIN_S = 0.003
POLL_MAX_S = 0.100
POLL_SHARE = 8
"""A reader that has waited for 80 ms looks again after 10 ms: an eighth longer, at the most."""


class Freshness:
    """Hands out the live views, as soon as they show what a token asks for."""

    def __init__(self, store: ViewStore, views: Sequence[View]) -> None:
        self._store = store
        self._views = {view.name: view for view in views}
        self._parts = {view.name: view.parts for view in views}

    async def live(self) -> Views:
        """The generation that is read now."""
        generations = await self._store.generations()
        if generations.live is None:
            raise NotReady("The views are being built.")
        return self._store.generation(generations.live)

    async def views_for(self, token: str | None) -> Views:
        """The live views, at the token's versions or later. Raises Refused."""
        if token is None:
            return await self.live()
        wanted = terms(token, self._parts)
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        while True:
            views = await self.live()
            if await self._show(views, wanted):
                return views
            waited_s = loop.time() - began_at
            pause_s = min(max(waited_s / POLL_SHARE, POLL_MIN_S), POLL_MAX_S)
            if waited_s + pause_s > WAIT_S:
                raise ViewBehind
            await asyncio.sleep(pause_s)

    async def _show(self, views: Views, wanted: Sequence[Term]) -> bool:
        found: dict[str, Mapping[int, Document]] = {}
        for name in sorted({term.view for term in wanted}):
            found[name] = await views.get(name, {term.key for term in wanted if term.view == name})
        return all(self._shows(found[term.view].get(term.key), term) for term in wanted)

    def _shows(self, document: Document | None, term: Term) -> bool:
        """A tombstone counts; a document of which a required part is still to come does not."""
        if document is None or document.versions.get(term.part, -1) < term.version:
            return False
        is_gone = "self" in document.parts and document.parts["self"] is None
        return is_gone or document.has(self._views[term.view].required)
