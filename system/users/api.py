"""The HTTP API of users: load, decide, save and emit."""

from __future__ import annotations

from datetime import datetime

from system.kit.commands.group_commit import Commands
from system.kit.errors import NotFound, StillReferred
from system.kit.http.bodies import Body, Email, Maybe, Name, PartialBody
from system.kit.http.headers import ETAG
from system.kit.http.paging import Page, PageBody, cut, page_body
from system.kit.http.route import Answer, Request, Route, Tag, tagged
from system.kit.http.tokens import stamps, token
from system.kit.ports.work import UnitOfWork, UnitOfWorkFactory
from system.kit.values import dumps
from system.users import store
from system.users.model import (
    EmailTaken,
    NoSuchUser,
    RegisterUser,
    UpdateUser,
    User,
    register,
    remove,
    update,
)
from system.users.views import USERS, VIEW, UserResource


class NewUser(Body):
    name: Name
    email: Email


class UserChanges(PartialBody):
    name: Maybe[Name] = None
    email: Maybe[Email] = None


class UserPage(PageBody):
    users: list[UserResource]


TAG = Tag(VIEW, "Those who order: registered, changed, removed.", view=USERS)


def routes(work: UnitOfWorkFactory, commands: Commands) -> list[Route]:
    api = UserApi(work)
    calls = [
        Route(
            "POST",
            "/users",
            "Register a user",
            commands.each(api.register),
            body=NewUser,
            example={"name": "Ada", "email": "ada@example.com"},
            status=201,
            answers=UserResource,
            problems=(EmailTaken,),
            idempotent_by_key=True,
        ),
        Route("GET", "/users", "List users", api.page, query=Page, answers=UserPage),
        Route(
            "GET",
            "/users/{id}",
            "Show a user",
            api.show,
            answers=UserResource,
            problems=(NotFound,),
        ),
        Route(
            "PUT",
            "/users/{id}",
            "Change a user's name or email",
            commands.each(api.update),
            body=UserChanges,
            example={"name": "Ada L."},
            answers=UserResource,
            problems=(NotFound, EmailTaken),
        ),
        Route(
            "DELETE",
            "/users/{id}",
            "Remove a user to whom no order refers",
            commands.each(api.remove),
            status=204,
            problems=(NotFound, StillReferred),
        ),
    ]
    return tagged(TAG, calls)


class UserApi:
    def __init__(self, work: UnitOfWorkFactory) -> None:
        self._work = work

    async def register(self, request: Request, unit: UnitOfWork) -> Answer:
        command = RegisterUser(request.body.name, request.body.email)
        id = await store.insert(unit, command)
        user, event = register(id, command, unit.now)
        unit.emit(event, because=request.cause)
        return _answer(user, 201, {"Location": f"/users/{id}"})

    async def page(self, request: Request) -> Answer:
        limit = request.query.limit
        async with self._work() as unit:
            rows = await store.page(unit, after=request.query.after, limit=limit + 1)
        users, next = cut(rows, limit, lambda user: user.id)
        return Answer(200, await page_body(VIEW, users, next, _shown))

    async def show(self, request: Request) -> Answer:
        async with self._work() as unit:
            return _answer(_there(request.id, await store.find(unit, request.id)))

    async def update(self, request: Request, unit: UnitOfWork) -> Answer:
        command = UpdateUser(request.body.name, request.body.email)
        before = await _lock(request, unit)
        user, emitted = update(before, command, unit.now)
        if emitted:
            await store.save(unit, user)
        for event in emitted:
            unit.emit(event, because=request.cause)
        return _answer(user)

    async def remove(self, request: Request, unit: UnitOfWork) -> Answer:
        user = await _lock(request, unit)
        event = remove(user, unit.now)
        await store.remove(unit, user.id)
        unit.emit(event, because=request.cause)
        return Answer(204, headers=token(VIEW, user.id, self=event.version))


async def _lock(request: Request, unit: UnitOfWork) -> User:
    user = _there(request.id, await store.lock(unit, request.id))
    request.precondition.demand(_stamps(user)[ETAG])
    return user


def _there(id: int, user: User | None) -> User:
    if user is None:
        raise NoSuchUser(f"there is no user {id}")
    return user


def _answer(user: User, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, dumps(_shown(user)), {**(headers or {}), **_stamps(user)})


def _stamps(user: User) -> dict[str, str]:
    return stamps(VIEW, user.id, self=user.version)


def _shown(user: User) -> dict[str, int | str | datetime]:
    return {
        "id": user.id,
        "name": user.name,
        "email": user.email,
        "created_at": user.created_at,
        "updated_at": user.updated_at,
    }
