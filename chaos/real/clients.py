"""Clients of the real APIs: requests go through sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

import aiohttp

from chaos.kit.clients import Client, Reply, Request, Roles
from chaos.kit.history import History
from chaos.kit.systems import api_by_name, query_api
from system.kit.http.headers import CONSISTENCY_TOKEN, CORRELATION_ID
from system.table import SHOP

AGAIN_S = 90.0
"""How long a request that certainly was not done, or has a key, is sent again."""
PAUSE_S = (0.2, 1.0)
KEPT = (CONSISTENCY_TOKEN, CORRELATION_ID, "Location", "Retry-After")
"""The headers of an answer that the history keeps."""

Where = Callable[[str], str]
"""The base URL of a role."""


def connected(
    name: str,
    where: Where,
    session: aiohttp.ClientSession,
    history: History,
    random: Random,
    may_write: asyncio.Event | None = None,
) -> Client:
    """One client of the shop. While `may_write` is not set, it sends no more writes."""
    roles = Roles(query_api(SHOP), api_by_name)
    return Client(name, roles, Sockets(where, session), history, random, _again, may_write)


def _again(random: Random) -> Iterator[float]:
    loop = asyncio.get_running_loop()
    until = loop.time() + AGAIN_S
    while loop.time() <= until:
        yield random.uniform(*PAUSE_S)


@dataclass(frozen=True, slots=True)
class Sockets:
    """A transport: each role listens at an address."""

    where: Where
    session: aiohttp.ClientSession

    async def send(self, request: Request, patience_s: float) -> Reply:
        timeout = aiohttp.ClientTimeout(total=patience_s)
        url = self.where(request.role) + request.path
        try:
            async with self.session.request(
                request.method, url, data=request.body, headers=request.headers, timeout=timeout
            ) as response:
                kept = {name: response.headers[name] for name in KEPT if name in response.headers}
                return Reply(response.status, await response.read(), kept)
        except aiohttp.ClientConnectorError as error:  # no process listens: no byte was sent
            return Reply(was_sent=False, reason=str(error))
        except (aiohttp.ClientError, TimeoutError) as error:
            return Reply(reason=f"{type(error).__name__}: {error}")
