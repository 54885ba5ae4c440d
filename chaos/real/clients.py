"""Clients of the real APIs: every request is recorded with its outcome, whatever came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import aiohttp

from chaos.kit.history import History, Op, Outcome, outcome_of
from system.kit.http.headers import CONSISTENCY_TOKEN, CORRELATION_ID, IDEMPOTENCY_KEY
from system.kit.values import dumps, loads

PATIENCE_S = 15.0
"""Of one request; the server's own bound is shorter."""
AGAIN_S = 90.0
"""How long a request that certainly was not done, or has a key, is sent again."""
PAUSE_S = (0.2, 1.0)
KEPT = (CONSISTENCY_TOKEN, CORRELATION_ID, "Location", "Retry-After")
"""The headers of an answer that the history keeps."""

Where = Callable[[str], str]
"""The base URL of a role."""


class Client:
    """One client; what it asks and what comes of it is the history."""

    def __init__(
        self,
        name: str,
        where: Where,
        session: aiohttp.ClientSession,
        history: History,
        random: Random,
        may_write: asyncio.Event | None = None,
    ) -> None:
        """While `may_write` is not set, it sends no more writes."""
        self.name = name
        self.random = random
        self._where = where
        self._session = session
        self._history = history
        self._may_write = may_write

    async def write(
        self, method: str, path: str, body: Any = None, *, key: str | None = None
    ) -> Op:
        """Ask the write side; again while it certainly was not done, or a key makes that safe."""
        again_until = _now() + AGAIN_S
        while True:
            if self._may_write is not None:
                await self._may_write.wait()
            op = await self.ask(_role_of(path), method, path, body, key=key)
            refused = op.status is not None and op.status < 500 and not _in_progress(op)
            is_safe = op.outcome is Outcome.FAIL or key is not None
            if op.ok or refused or not is_safe or _now() > again_until:
                return op
            await asyncio.sleep(self.random.uniform(*PAUSE_S))

    async def read(self, path: str, *, token: str | None = None) -> Op:
        """Ask the query side, once."""
        return await self.ask("query-api", "GET", path, token=token)

    async def ask(
        self,
        role: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        token: str | None = None,
        patience_s: float = PATIENCE_S,
    ) -> Op:
        """Send one request and record it."""
        headers = {} if body is None else {"Content-Type": "application/json"}
        headers |= {} if key is None else {IDEMPOTENCY_KEY: key}
        headers |= {} if token is None else {CONSISTENCY_TOKEN: token}
        asked = Op(
            client=self.name,
            method=method,
            path=path,
            outcome=outcome_of(None, method, None),
            body=body,
            key=key,
            token=token,
            began_s=_now(),
            role=role,
        )
        try:
            status, answer, answered, was_sent, reason = await self._send(
                role, method, path, None if body is None else dumps(body), headers, patience_s
            )
        except asyncio.CancelledError:  # the run is over, and what was sent may yet be done
            self._history.add(replace(asked, ended_s=_now(), reason="the run ended"))
            raise
        outcome = outcome_of(status, method, _problem(status, answer))
        return self._history.add(
            replace(
                asked,
                outcome=outcome if was_sent else Outcome.FAIL,
                status=status,
                answer=answer,
                headers=answered,
                reason=reason,
                ended_s=_now(),
            )
        )

    async def _send(
        self,
        role: str,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
        patience_s: float,
    ) -> tuple[int | None, bytes, dict[str, str], bool, str]:
        """Status, body and headers of the answer, whether the server may have seen it, and why not."""
        timeout = aiohttp.ClientTimeout(total=patience_s)
        url = self._where(role) + path
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, timeout=timeout
            ) as response:
                kept = {name: response.headers[name] for name in KEPT if name in response.headers}
                return response.status, await response.read(), kept, True, ""
        except aiohttp.ClientConnectorError as error:  # no process listens: no byte was sent
            return None, b"", {}, False, str(error)
        except (aiohttp.ClientError, TimeoutError) as error:
            return None, b"", {}, True, f"{type(error).__name__}: {error}"


def _role_of(path: str) -> str:
    return f"{path.split('/')[1].removesuffix('s')}-api"


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


def _in_progress(op: Op) -> bool:
    """Whether an earlier request with the same key is still being worked on."""
    return op.status == 409 and _problem(op.status, op.answer) == "request-in-progress"


def _now() -> float:
    return asyncio.get_running_loop().time()
