"""Clients of the APIs, without sockets: requests go straight to an application's handler.

A client is outside of all processes. It learns of a server's death as of a broken connection, and
of a server that stands still by its own patience.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import repeat
from random import Random
from typing import Any

from aiohttp import HttpVersion11, web
from aiohttp.http import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from chaos.kit.clients import Client, Reply, Request, Roles
from chaos.kit.history import History
from chaos.kit.simulated.loop import State
from chaos.kit.simulated.parts import Cluster
from chaos.kit.systems import query_api

NETWORK_S = (0.0001, 0.002)
AGAIN_MAX = 6
AGAIN_S = 1.0


def connected(name: str, cluster: Cluster, history: History, random: Random) -> Client:
    """One client of a simulated system."""
    return Client(
        name,
        Roles(query_api(cluster.system), cluster.api_of),
        Handlers(cluster, random),
        history,
        random,
        _again,
    )


def _again(_: Random) -> Iterator[float]:
    return repeat(AGAIN_S, AGAIN_MAX)


@dataclass(frozen=True, slots=True)
class Handlers:
    """A transport: a network that takes time, and an application's handler behind it."""

    cluster: Cluster
    random: Random

    async def send(self, request: Request, patience_s: float) -> Reply:
        await asyncio.sleep(self.random.uniform(*NETWORK_S))
        reply = await self._handled(request.role, _received(request), patience_s)
        await asyncio.sleep(self.random.uniform(*NETWORK_S))
        return reply

    async def _handled(self, role: str, request: web.Request, patience_s: float) -> Reply:
        process = self.cluster.process_of(role)
        if process.incarnation.state is State.DEAD or role not in process.handlers:
            return Reply(was_sent=False)
        answering = process.incarnation.task(_answered(process.handlers[role], request))
        ends: set[asyncio.Future[Any]] = {answering, process.incarnation.died}
        await asyncio.wait(ends, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done() or (response := answering.result()) is None:
            return Reply()
        answer = response.body if isinstance(response.body, bytes) else b""
        return Reply(response.status, answer, dict(response.headers))


def _received(request: Request) -> web.Request:
    """What aiohttp makes of a request's bytes; `make_mocked_request`, but for the slow mocks."""
    fields = CIMultiDict({"Host": "localhost", **request.headers})
    message = RawRequestMessage(
        method=request.method,
        path=request.path,
        version=HttpVersion11,
        headers=CIMultiDictProxy(fields),
        raw_headers=tuple((name.encode(), value.encode()) for name, value in fields.items()),
        should_close=False,
        compression=None,
        upgrade=False,
        chunked=False,
        url=URL(request.path),
    )
    nobody: Any = _NOBODY  # stands for the protocol, the writer and the task
    payload: Any = _Payload(request.body or b"")  # what is read of a StreamReader
    loop = asyncio.get_running_loop()
    return web.Request(message, payload, nobody, nobody, nobody, loop)


async def _answered(handler: Any, request: web.Request) -> web.Response | None:
    response = await handler(request)
    return response if isinstance(response, web.Response) else None


class _Payload:
    """A body that has arrived."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._raw

    @staticmethod
    def is_eof() -> bool:
        return True


class _Nobody:
    """The other end of a connection: on this machine, and never in the way."""

    ssl_context = None
    peername = ("127.0.0.1", 40_000)
    sockname = peername
    transport: object = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.peername if name in ("peername", "sockname") else default


_NOBODY = _Nobody()
