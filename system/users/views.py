"""What the query side shows of users."""

from __future__ import annotations

from collections.abc import Iterable

from system.events import UserDeleted, UserEvent
from system.ports.views import Put

VIEW = "users"


def user(event: UserEvent) -> Iterable[Put]:
    told = event.user
    fields = {
        "name": told.name,
        "email": told.email,
        "created_at": told.created_at,
        "updated_at": told.updated_at,
    }
    yield Put(VIEW, told.id, "self", event.version, fields)


def user_gone(event: UserDeleted) -> Iterable[Put]:
    yield Put(VIEW, event.user_id, "self", event.version, None)
