"""The HTTP API of users: load, decide, save and emit."""

from __future__ import annotations

from system.kit.commands.group_commit import Commands
from system.kit.errors import NotFound, StillReferred
from system.kit.http.bodies import Body, Email, Maybe, Name, PartialBody
from system.kit.http.paging import Page, PageBody
from system.kit.http.resources import Resource, fields_of
from system.kit.http.route import Answer, Request, Route, Tag, tagged
from system.kit.ports.work import UnitOfWork, UnitOfWorkFactory
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


USER: Resource[User] = Resource(
    "user",
    VIEW,
    id=lambda user: user.id,
    shown=fields_of(UserResource),
    versions=lambda user: {"self": user.version},
    missing=NoSuchUser,
)


class UserApi:
    def __init__(self, work: UnitOfWorkFactory) -> None:
        self._work = work

    async def register(self, request: Request, unit: UnitOfWork) -> Answer:
        command = RegisterUser(request.body.name, request.body.email)
        id = await store.insert(unit, command)
        return USER.emit_created(register(id, command, unit.now), request, unit)

    async def page(self, request: Request) -> Answer:
        query = request.query
        async with self._work() as unit:
            users = await store.page(unit, after=query.after, limit=query.limit + 1)
        return await USER.page(users, query.limit)

    async def show(self, request: Request) -> Answer:
        async with self._work() as unit:
            return USER.answer(USER.there(request, await store.find(unit, request.id)))

    async def update(self, request: Request, unit: UnitOfWork) -> Answer:
        command = UpdateUser(request.body.name, request.body.email)
        user = await _lock(request, unit)
        return await USER.save_changed(update(user, command, unit.now), request, unit, store.save)

    async def remove(self, request: Request, unit: UnitOfWork) -> Answer:
        user = await _lock(request, unit)
        return await USER.save_removed(remove(user, unit.now), request, unit, store.remove)


async def _lock(request: Request, unit: UnitOfWork) -> User:
    return USER.demanded(request, await store.lock(unit, request.id))
