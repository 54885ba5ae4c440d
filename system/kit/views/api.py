"""The query API: the read routes, one pair for every view, joined at read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, create_model

from system.kit.errors import MalformedToken, NotFound, NotReady, ViewBehind
from system.kit.http.paging import PageBody, cut, page_body
from system.kit.http.route import Answer, Request, Route, Tag, tagged
from system.kit.ports.views import Document, Fields, Related, View, Views, ViewStore
from system.kit.values import dumps
from system.kit.views.freshness import Freshness


def routes(store: ViewStore, views: Sequence[View]) -> list[Route]:
    freshness = Freshness(store, views)
    return [route for view in views for route in ViewApi(view, freshness, views).routes()]


class ViewApi:
    """The two read routes of one view. A reader may wait for what was written in any."""

    def __init__(self, view: View, freshness: Freshness, all_views: Sequence[View]) -> None:
        self._view = view
        self._freshness = freshness
        self._all_views = all_views

    def routes(self) -> list[Route]:
        name = self._view.name
        problems = (MalformedToken, ViewBehind, NotReady)
        tag = Tag(name, f"What readers see of {name}, a moment after it was written.")
        calls = [
            Route(
                "GET",
                f"/{name}",
                f"List {name}",
                self.page,
                query=self._view.filters,
                answers=_page_model(self._view.name, self._view.resource),
                problems=problems,
                read_your_writes=self._all_views,
            ),
            Route(
                "GET",
                f"/{name}/{{id}}",
                f"Show one of the {name}",
                self.show,
                answers=self._view.resource,
                problems=(NotFound, *problems),
                read_your_writes=self._all_views,
            ),
        ]
        return tagged(tag, calls)

    async def page(self, request: Request) -> Answer:
        views = await self._freshness.views_for(request.consistency_token)
        limit = request.query.limit
        documents = await views.page(
            self._view.name,
            after=request.query.after,
            limit=limit + 1,
            having=self._view.required,
            where=_where(request.query),
        )
        shown, next = cut(documents, limit, lambda document: document.key)
        related = await self._related(views, shown)
        name, show = self._view.name, self._view.show
        return Answer(200, await page_body(name, shown, next, lambda each: show(each, related)))

    async def show(self, request: Request) -> Answer:
        views = await self._freshness.views_for(request.consistency_token)
        document = (await views.get(self._view.name, [request.id])).get(request.id)
        if document is None or not document.has(self._view.required):
            raise NotFound
        related = await self._related(views, [document])
        return Answer(200, dumps(self._view.show(document, related)))

    async def _related(self, views: Views, documents: Sequence[Document]) -> Related:
        """What documents refer to: one look-up per view, however many there are."""
        wanted: dict[str, set[int]] = {}
        for document in documents:
            for view, keys in self._view.refers_to(document).items():
                wanted.setdefault(view, set()).update(keys)
        return {view: await views.get(view, keys) for view, keys in sorted(wanted.items())}


def _where(query: BaseModel) -> Fields:
    """A list's filters, as the fields of `self` that they must equal."""
    filters = query.model_dump(mode="json", exclude={"limit", "after"}, exclude_none=True)
    return {f"self.{name}": value for name, value in filters.items()}


@cache
def _page_model(name: str, resource: type[BaseModel]) -> type[BaseModel]:
    """The body of a page of this view, for the OpenAPI document."""
    items: Any = (list[resource], ...)  # type: ignore[valid-type]  # a type made at run time
    return create_model(f"{resource.__name__}Page", __base__=PageBody, **{name: items})
