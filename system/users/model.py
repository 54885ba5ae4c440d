"""A user's state, the commands that change it, and the pure decisions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from system import events
from system.events import UserCreated, UserDeleted, UserUpdated
from system.kit.errors import DomainError, NotFound, StillReferred
from system.kit.events import Decision
from system.kit.ports.world import Now


class NoSuchUser(NotFound, DomainError):
    """There is no user with this id."""


class EmailTaken(DomainError):
    """Another user has this email. Nothing was changed."""

    status = 409
    title = "The email is taken"


class UserHasOrders(StillReferred, DomainError):
    """Orders refer to this user."""


@dataclass(frozen=True, slots=True)
class User:
    id: int
    name: str
    email: str
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class RegisterUser:
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class UpdateUser:
    """What is None stays as it is."""

    name: str | None = None
    email: str | None = None


def begun(id: int, command: RegisterUser, now: Now) -> User:
    return User(id, command.name, command.email, 1, now.at, now.at)


def register(id: int, command: RegisterUser, now: Now) -> Decision[User, UserCreated]:
    user = begun(id, command, now)
    created = UserCreated(
        event_id=now.new_id(), occurred_at=now.at, user=_snapshot(user), version=user.version
    )
    return user, (created,)


def update(user: User, command: UpdateUser, now: Now) -> Decision[User, UserUpdated]:
    changed = replace(
        user,
        name=user.name if command.name is None else command.name,
        email=user.email if command.email is None else command.email,
    )
    if changed == user:
        return user, ()
    changed = replace(changed, version=user.version + 1, updated_at=now.at)
    updated = UserUpdated(
        event_id=now.new_id(), occurred_at=now.at, user=_snapshot(changed), version=changed.version
    )
    return changed, (updated,)


def remove(user: User, now: Now) -> Decision[None, UserDeleted]:
    deleted = UserDeleted(
        event_id=now.new_id(), occurred_at=now.at, user_id=user.id, version=user.version + 1
    )
    return None, (deleted,)


def _snapshot(user: User) -> events.User:
    return events.User.model_validate(user, from_attributes=True)
