"""Clients of a system's APIs: every request is recorded with its outcome, whatever came of it.

How a request gets to a role, and its answer back, is a transport's: sockets where processes are real,
a handler's call where they are simulated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Protocol

from chaos.kit.history import History, Op, Outcome, outcome_of
from system.kit.http.headers import CONSISTENCY_TOKEN, IDEMPOTENCY_KEY, IF_MATCH
from system.kit.values import dumps, loads

PATIENCE_S = 15.0
"""Of one request; the server's own bound is shorter."""
OPERATE_AGAIN_S = 1.0

Again = Callable[[Random], Iterator[float]]
"""The pauses, in seconds, between the tries of one write; where they end, so do the tries."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a role is sent."""

    role: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back of a request, if anything."""

    status: int | None = None
    """None: no answer came."""
    answer: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    was_sent: bool = True
    """False: certainly no process has seen it."""
    reason: str = ""
    """Why no answer came."""


class Transport(Protocol):
    async def send(self, request: Request, patience_s: float) -> Reply:
        """Send a request once, and wait for its answer so long."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Which role a request is for."""

    queries: str
    api_of: Callable[[str], str]
    """The API of the write side that serves a path."""


class Client:
    """One client with its own script; what it asks and what comes of it is the history."""

    def __init__(
        self,
        name: str,
        roles: Roles,
        transport: Transport,
        history: History,
        random: Random,
        again: Again,
        may_write: asyncio.Event | None = None,
    ) -> None:
        """While `may_write` is not set, it sends no more writes."""
        self.name = name
        self.random = random
        self.token: str | None = None
        """Of its last write, joined to those before: what it has to see."""
        self._roles = roles
        self._transport = transport
        self._history = history
        self._again = again
        self._may_write = may_write

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
        role, pauses = self._roles.api_of(path), self._again(self.random)
        while True:
            if self._may_write is not None:
                await self._may_write.wait()
            op = await self.ask(role, method, path, body, key=key, if_match=if_match)
            pause_s = None if op.ok or not _may_repeat(op) else next(pauses, None)
            if pause_s is None:
                break
            await asyncio.sleep(pause_s)
        if op.ok and (token := op.headers.get(CONSISTENCY_TOKEN)):
            self.token = token
        return op

    async def look(self, path: str) -> Op:
        """Ask the write side how something is: its ETag names that state."""
        return await self.ask(self._roles.api_of(path), "GET", path)

    async def read(self, path: str, *, token: str | None = None) -> Op:
        """Ask the query side, once."""
        return await self.ask(self._roles.queries, "GET", path, token=token)

    async def see(self, path: str) -> Op:
        """Ask the query side for what this client has written."""
        return await self.read(path, token=self.token)

    async def operate(self, role: str, method: str, path: str, body: Any = None) -> Op:
        """Ask a consumer's operations, until there is an answer."""
        while True:
            op = await self.ask(role, method, path, body)
            if op.status is not None and op.status < 500:
                return op
            await asyncio.sleep(OPERATE_AGAIN_S)

    async def ask(
        self,
        role: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        token: str | None = None,
        if_match: str | None = None,
        patience_s: float = PATIENCE_S,
    ) -> Op:
        """Send one request and record it."""
        headers = {
            "Content-Type": None if body is None else "application/json",
            IDEMPOTENCY_KEY: key,
            CONSISTENCY_TOKEN: token,
            IF_MATCH: if_match,
        }
        asked = Op(
            client=self.name,
            method=method,
            path=path,
            outcome=outcome_of(None, method, None),
            body=body,
            key=key,
            token=token,
            if_match=if_match,
            began_s=self.time_s,
            role=role,
        )
        request = Request(
            role,
            method,
            path,
            {name: value for name, value in headers.items() if value is not None},
            None if body is None else dumps(body),
        )
        try:
            reply = await self._transport.send(request, patience_s)
        except asyncio.CancelledError:  # the run is over, and what was sent may yet be done
            self._history.add(replace(asked, ended_s=self.time_s, reason="the run ended"))
            raise
        outcome = outcome_of(reply.status, method, _problem(reply.status, reply.answer))
        return self._history.add(
            replace(
                asked,
                outcome=outcome if reply.was_sent else Outcome.FAIL,
                status=reply.status,
                answer=reply.answer,
                headers=reply.headers,
                reason=reply.reason,
                ended_s=self.time_s,
            )
        )


def problem_of(op: Op) -> str | None:
    """The name of the problem that an answer is, if it is one."""
    return _problem(op.status, op.answer)


def _problem(status: int | None, answer: bytes) -> str | None:
    if status is None or status < 400:
        return None
    try:
        return str(loads(answer)["type"]).removeprefix("/problems/")
    except (ValueError, KeyError, TypeError):
        return None


def _may_repeat(op: Op) -> bool:
    """Whether the same request, sent again, may be done, and be done no more than once."""
    is_safe = op.outcome is Outcome.FAIL or op.key is not None
    is_refused = op.status is not None and op.status < 500 and not _is_in_progress(op)
    return is_safe and not is_refused


def _is_in_progress(op: Op) -> bool:
    """Whether an earlier request with the same key is still being worked on."""
    return op.status == 409 and problem_of(op) == "request-in-progress"
