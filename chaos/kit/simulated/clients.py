"""Clients of the APIs, without sockets: requests go straight to an application's handler.

A client is outside of all processes. It learns of a server's death as of a broken connection, and
of a server that stands still by its own patience.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from random import Random
from typing import Any

from aiohttp import HttpVersion11, web
from aiohttp.http import RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from chaos.kit.history import History, Op, Outcome, outcome_of
from chaos.kit.simulated.loop import State
from chaos.kit.simulated.parts import Cluster
from chaos.kit.systems import query_api
from system.kit.values import dumps, loads

PATIENCE_S = 15.0
NETWORK_S = (0.0001, 0.002)
AGAIN_MAX = 6
AGAIN_S = 1.0


class Client:
    """One client with its own script; what it does and what comes of it is the history."""

    def __init__(self, name: str, cluster: Cluster, history: History, random: Random) -> None:
        self.name = name
        self.random = random
        self.token: str | None = None
        """Of its last write, joined to those before: what it has to see."""
        self._cluster = cluster
        self._history = history

    @property
    def time_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def pause(self, least_s: float = 0.0, most_s: float = 0.05) -> None:
        await asyncio.sleep(self.random.uniform(least_s, most_s))

    async def write(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        if_match: str | None = None,
    ) -> Op:
        """Ask the write side; again while it certainly was not done, or a key makes that safe."""
        op = await self._ask(
            self._cluster.api_of(path), method, path, body, key=key, if_match=if_match
        )
        for _ in range(AGAIN_MAX):
            is_safe = op.outcome is Outcome.FAIL or (key is not None and not op.ok)
            if op.ok or not is_safe or (op.status is not None and op.status < 500):
                break
            await asyncio.sleep(AGAIN_S)
            op = await self._ask(
                self._cluster.api_of(path), method, path, body, key=key, if_match=if_match
            )
        if op.ok and (token := op.headers.get("Consistency-Token")):
            self.token = token
        return op

    async def look(self, path: str) -> Op:
        """Ask the write side how something is: its ETag names that state."""
        return await self._ask(self._cluster.api_of(path), "GET", path)

    async def read(self, path: str, *, token: str | None = None) -> Op:
        """Ask the query side, once."""
        return await self._ask(query_api(self._cluster.system), "GET", path, token=token)

    async def see(self, path: str) -> Op:
        """Ask the query side for what this client has written."""
        return await self.read(path, token=self.token)

    async def operate(self, role: str, method: str, path: str, body: Any = None) -> Op:
        """Ask a consumer's operations, until there is an answer."""
        while True:
            op = await self._ask(role, method, path, body)
            if op.status is not None and op.status < 500:
                return op
            await asyncio.sleep(AGAIN_S)

    async def _ask(
        self,
        role: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        token: str | None = None,
        if_match: str | None = None,
    ) -> Op:
        began_s = self.time_s
        headers = {"Host": "localhost"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if key is not None:
            headers["Idempotency-Key"] = key
        if token is not None:
            headers["Consistency-Token"] = token
        if if_match is not None:
            headers["If-Match"] = if_match
        raw = dumps(body) if body is not None else b""
        await asyncio.sleep(self.random.uniform(*NETWORK_S))
        response, was_sent = await self._send(role, method, path, headers, raw)
        await asyncio.sleep(self.random.uniform(*NETWORK_S))
        answer = response.body if response is not None else b""
        answer = answer if isinstance(answer, bytes) else b""
        status = response.status if response is not None else None
        outcome = outcome_of(status, method, _problem(status, answer))
        return self._history.add(
            Op(
                client=self.name,
                method=method,
                path=path,
                outcome=outcome if was_sent else Outcome.FAIL,
                body=body,
                status=status,
                answer=answer,
                headers=dict(response.headers) if response is not None else {},
                key=key,
                token=token,
                if_match=if_match,
                began_s=began_s,
                ended_s=self.time_s,
                role=role,
            )
        )

    async def _send(
        self, role: str, method: str, path: str, headers: Mapping[str, str], raw: bytes
    ) -> tuple[web.Response | None, bool]:
        """The response, if one came, and whether the request was sent."""
        process = self._cluster.process_of(role)
        if process.incarnation.state is State.DEAD or role not in process.handlers:
            return None, False
        request = _request(method, path, headers, raw)
        answering = process.incarnation.task(_answered(process.handlers[role], request))
        ends: set[asyncio.Future[Any]] = {answering, process.incarnation.died}
        await asyncio.wait(
            ends,
            timeout=PATIENCE_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not answering.done():
            return None, True
        return answering.result(), True


def _request(method: str, path: str, headers: Mapping[str, str], raw: bytes) -> web.Request:
    """What aiohttp makes of a request's bytes; `make_mocked_request`, but for the slow mocks."""
    fields = CIMultiDict(headers)
    message = RawRequestMessage(
        method=method,
        path=path,
        version=HttpVersion11,
        headers=CIMultiDictProxy(fields),
        raw_headers=tuple((name.encode(), value.encode()) for name, value in fields.items()),
        should_close=False,
        compression=None,
        upgrade=False,
        chunked=False,
        url=URL(path),
    )
    nobody: Any = _NOBODY  # stands for the protocol, the writer and the task
    payload: Any = _Payload(raw)  # what is read of a StreamReader
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


def _problem(status: int | None, answer: bytes) -> str | None:
    if status is None or status < 400 or not answer:
        return None
    return str(loads(answer).get("type", "")).rpartition("/")[2]
