"""An API of a few routes with nothing behind it: what is seen of it is the web layer's own doing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from random import Random
from typing import Annotated, Any
from uuid import UUID

import aiohttp
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from pydantic import BaseModel, Field

from system.events import OrderStatus
from system.kit.http.app import application
from system.kit.http.bodies import Body, Email, Flag, IdParameter, Items, Maybe, Name, PartialBody
from system.kit.http.connections import Connections
from system.kit.http.health import Health
from system.kit.http.paging import Page, PageBody, cut, page_body
from system.kit.http.route import OPERATIONS, Answer, Request, Route, Tag, tagged
from system.kit.http.server import HttpService
from system.kit.lifespan import Lifespan
from system.kit.metrics import Metrics
from system.kit.ports.views import View
from system.kit.ports.work import Probe
from system.kit.values import WHOLE, Id, Price, dumps, loads
from system.users.model import EmailTaken

GRACE_S = 0.3


class World:
    """Time stands still, and ids are the same in every run."""

    def __init__(self) -> None:
        self.random = Random(1)

    def now(self) -> datetime:
        return datetime(2026, 1, 31, 8, tzinfo=UTC)

    def new_id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)


class Piece(Body):
    product_id: Id
    quantity: Annotated[int, Field(ge=1, le=1000), WHOLE]


class NewThing(Body):
    name: Name
    price: Price
    pieces: Annotated[tuple[Piece, ...], Items(at_most=3)]
    email: Maybe[Email] = None
    urgent: Maybe[Flag] = None


class ThingChanges(PartialBody):
    name: Maybe[Name] = None
    price: Maybe[Price] = None


class Thing(BaseModel):
    id: int
    name: str


class ThingPage(PageBody):
    things: list[Thing]


class Things(Page):
    status: Maybe[OrderStatus] = None
    user_id: Maybe[IdParameter] = None


THINGS = View(
    "things",
    parts=("self",),
    required=("self",),
    show=lambda document, _: {"id": document.key},
    resource=Thing,
    filters=Things,
)
TAG = Tag("things", "What there is.", view=THINGS)
TOKEN = {"Consistency-Token": "things/7.self@1"}
STAMPS = {**TOKEN, "ETag": '"1"'}


@dataclass
class Toy:
    """Answers, keeps what it was asked, and fails as it is told to."""

    asked: list[Request] = field(default_factory=list)
    failure: BaseException | None = None
    hold: asyncio.Event | None = None
    """While it is there and not set, requests take long."""
    ids: range = range(1, 11)

    def routes(self) -> list[Route]:
        calls = [
            Route(
                "POST",
                "/things",
                "Make a thing",
                self.make,
                body=NewThing,
                status=201,
                answers=Thing,
                problems=(EmailTaken,),
                idempotent_by_key=True,
                example={"name": "A", "price": 1.5, "pieces": [{"product_id": 1, "quantity": 2}]},
            ),
            Route("GET", "/things", "List things", self.page, query=Things, answers=ThingPage),
            Route(
                "GET",
                "/things/{id}",
                "Show a thing",
                self.show,
                answers=Thing,
                read_your_writes=(THINGS,),
            ),
            Route("PUT", "/things/{id}", "Change", self.change, body=ThingChanges, answers=Thing),
            Route("DELETE", "/things/{id}", "Remove a thing", self.remove, status=204),
        ]
        secrets = Route("GET", "/admin/secrets", "Operate", self.show, tag=OPERATIONS)
        return [*tagged(TAG, calls), secrets]

    async def make(self, request: Request) -> Answer:
        await self._work(request)
        body = dumps({"id": 7, "name": request.body.name})
        return Answer(201, body, {"Location": "/things/7", **STAMPS})

    async def show(self, request: Request) -> Answer:
        await self._work(request)
        return Answer(200, dumps({"id": request.id, "name": "A"}))

    async def change(self, request: Request) -> Answer:
        request.precondition.demand(STAMPS["ETag"])
        return replace(await self.show(request), headers=STAMPS)

    async def remove(self, request: Request) -> Answer:
        await self._work(request)
        return Answer(204, headers=TOKEN)

    async def page(self, request: Request) -> Answer:
        await self._work(request)
        limit, after = request.query.limit, request.query.after
        rows = [{"id": key, "name": "A"} for key in self.ids if key > after][: limit + 1]
        items, following = cut(rows, limit, lambda row: int(str(row["id"])))
        return Answer(200, await page_body("things", items, following, lambda row: row))

    async def _work(self, request: Request) -> None:
        self.asked.append(request)
        if self.hold:
            await self.hold.wait()
        if self.failure:
            raise self.failure


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return loads(self.body)

    @property
    def problem(self) -> str:
        """The problem's name; fails for an answer that is no complete problem."""
        assert self.headers["Content-Type"] == "application/problem+json", self
        body = self.json
        assert {"type", "title", "status", "detail", "instance", "correlation_id"} <= set(body)
        assert body["status"] == self.status
        assert body["correlation_id"] == self.headers["X-Correlation-Id"]
        return str(body["type"].removeprefix("/problems/"))

    @property
    def places(self) -> list[str]:
        return [error["place"] for error in self.json["errors"]]


@dataclass
class Running:
    """The toy behind a real port."""

    toy: Toy
    lifespan: Lifespan
    metrics: Metrics
    service: HttpService
    task: asyncio.Task[None]
    session: aiohttp.ClientSession

    async def ask(self, method: str, path: str, **options: Any) -> Reply:
        url = f"http://127.0.0.1:{self.service.port}"
        if isinstance(data := options.get("data"), bytes):
            options["data"] = BytesIO(data)  # aiohttp warns of large bytes
        async with self.session.request(method, url + path, **options) as response:
            return Reply(response.status, response.headers, await response.read())

    async def raw(self, *lines: str | bytes, body: bytes = b"") -> Reply:
        """Send these lines as they are, which no decent client would."""
        encoded = [line.encode() if isinstance(line, str) else line for line in lines]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.service.port)
        try:
            writer.write(b"\r\n".join([*encoded, b"", body]))
            async with asyncio.timeout(60):
                head = await reader.readuntil(b"\r\n\r\n")
                status, headers = _head(head)
                return Reply(status, headers, await reader.readexactly(_length(headers)))
        finally:
            writer.close()


def _head(head: bytes) -> tuple[int, Mapping[str, str]]:
    first, *lines = head.decode().strip().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines)


def _length(headers: Mapping[str, str]) -> int:
    return int(headers.get("Content-Length", "0"))


def app_of(
    toy: Toy,
    lifespan: Lifespan,
    metrics: Metrics,
    checks: Mapping[str, Probe] | None = None,
    **options: Any,
) -> web.Application:
    health = Health(lifespan, checks or {}, timeout_s=0.05)
    return application(
        "toy-api", toy.routes(), world=World(), health=health, metrics=metrics, **options
    )


@asynccontextmanager
async def running(
    toy: Toy | None = None, connections: Connections | None = None, **options: Any
) -> AsyncIterator[Running]:
    """Serve a toy for as long as the block lasts."""
    toy, lifespan, metrics = toy or Toy(), Lifespan(["toy-api-http"]), Metrics()
    app = app_of(toy, lifespan, metrics, **options)
    service = HttpService(
        "toy-api",
        app,
        World(),
        metrics,
        host="127.0.0.1",
        port=0,
        grace_s=GRACE_S,
        connections=connections,
    )
    task = asyncio.create_task(service.run(lifespan))
    async with aiohttp.ClientSession() as session:
        try:
            await until(lambda: not lifespan.waited_for)
            yield Running(toy, lifespan, metrics, service, task, session)
        finally:
            lifespan.stopping.set()
            await task


async def until(cause: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not cause():
            await asyncio.sleep(0.001)


async def without_sockets(
    app: web.Application, method: str, path: str, headers: Mapping[str, str] | None = None
) -> Reply:
    """Ask an application as a simulation does: by a call, with no socket and no real time."""
    app.freeze()
    request = make_mocked_request(method, path, headers=headers, app=app)
    response = await app._handle(request)  # noqa: SLF001 - the door that aiohttp's server takes
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes | None)
    return Reply(response.status, response.headers, response.body or b"")


THING: dict[str, Any] = {"name": "A", "price": 1.5, "pieces": [{"product_id": 1, "quantity": 2}]}
