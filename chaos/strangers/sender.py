"""Sends what adapters say, and knows how far it came: that no adapter can misreport."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

import aiohttp

from chaos.kit.blackbox import Answer, Request
from chaos.strangers.adapters import BadAdapter
from scenarios.harness.client import sends_once

PATIENCE_S = 15.0


class Sender:
    """One connection for each request: so `refused` means that no byte has left."""

    def __init__(self, where: Callable[[str], str]) -> None:
        """`where` gives the base URL of a process."""
        self._where = where
        self._session = sends_once(force_close=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def send(self, request: Request) -> Answer:
        try:
            url = self._where(request.process) + request.path
        except KeyError:
            raise BadAdapter(f"{request}: there is no process {request.process!r}") from None
        if not request.path.startswith("/"):
            raise BadAdapter(f"{request}: the path has to begin with /")
        try:
            async with self._session.request(
                request.method,
                url,
                json=request.json,
                headers=request.headers,
                timeout=aiohttp.ClientTimeout(total=PATIENCE_S),
                allow_redirects=False,
            ) as response:
                body = await response.read()
                return Answer("answered", response.status, body, dict(response.headers))
        except TypeError as error:  # of what is no JSON, and of headers that are no texts
            raise BadAdapter(f"{request} cannot be sent: {error}") from error
        except aiohttp.ClientConnectorError as error:
            return Answer("refused", error=str(error))
        except (aiohttp.ClientError, TimeoutError) as error:
            return Answer("sent", error=f"{type(error).__name__} {error}".strip())
