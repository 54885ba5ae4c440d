"""What the query side shows of users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from system import events
from system.events import UserDeleted, UserEvent
from system.kit.http.paging import Page
from system.kit.ports.views import Document, Put, Related, View
from system.kit.values import Id, Time

VIEW = "users"
_DEFAULTS = events.User.defaults()


class UserResource(BaseModel):
    """A user, as both sides show it."""

    id: Id
    name: str
    email: str
    created_at: Time
    updated_at: Time


def user(event: UserEvent) -> Iterable[Put]:
    fields = event.user.model_dump(exclude={"id"})
    yield Put(VIEW, event.user.id, "self", event.version, fields)


def user_gone(event: UserDeleted) -> Iterable[Put]:
    yield Put(VIEW, event.user_id, "self", event.version, None)


def show(document: Document, _: Related) -> Mapping[str, Any]:  # values of several types
    return {"id": document.key, **_DEFAULTS, **(document.parts["self"] or {})}


USERS = View(
    VIEW, parts=("self",), required=("self",), show=show, resource=UserResource, filters=Page
)
