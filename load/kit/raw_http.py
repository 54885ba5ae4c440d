"""A closed loop of HTTP/1.1 over kept connections, as cheap as Python has it.

The generator of a benchmark must not be what is measured: a client library costs more than the
service that it asks. Each connection sends its request, waits for the answer, and sends again.
Only what such a service answers is understood: a status line and a body of a told length.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import quantiles

ANSWER_S = 15.0
"""Nobody waits longer for the rest of the answers, once the time is over."""


class UnexpectedAnswer(Exception):
    """A status that was not expected. The text is the answer's beginning."""


@dataclass(slots=True)
class Load:
    """What a closed loop saw: seconds of each request, and how long all of it took."""

    within_s: float
    took_s: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.took_s) / self.within_s

    def percentile(self, percent: int) -> float:
        """Seconds; 50 is the median."""
        return quantiles(self.took_s, n=100)[percent - 1]


def post(path: str, body: bytes) -> bytes:
    """A request of JSON, ready to be sent."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection(asyncio.Protocol):
    def __init__(self, request: bytes, expected: bytes, ends_at: float, load: Load) -> None:
        self._request = request
        self._expected = b"HTTP/1.1 " + expected
        self._ends_at = ends_at
        self._load = load
        self._loop = asyncio.get_running_loop()
        self._received = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        assert self._transport is not None
        self._sent_at = self._loop.time()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _length(head):
            return
        if not head.startswith(self._expected):
            self._end(UnexpectedAnswer((head + b" " + body)[:300].decode(errors="replace")))
            return
        self._received = b""
        now = self._loop.time()
        self._load.took_s.append(now - self._sent_at)
        if now < self._ends_at:
            self._send()
        else:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or ConnectionError("the service closed the connection"))

    def _end(self, error: Exception | None = None) -> None:
        if not self.done.done():
            if error is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(error)
        if self._transport is not None:
            self._transport.abort()


def _itself(connection: _Connection) -> _Connection:
    return connection


def _length(head: bytes) -> int:
    """What Content-Length says, whatever its case."""
    lower = head.lower()
    at = lower.index(b"content-length:") + len(b"content-length:")
    return int(lower[at:].split(b"\r\n", 1)[0])


async def closed_loop(
    port: int, requests: Sequence[bytes], seconds: float, *, expected: int = 201
) -> Load:
    """Ask over one connection for each request, again and again, for so long.

    Raises UnexpectedAnswer, ConnectionError, TimeoutError.
    """
    loop = asyncio.get_running_loop()
    load = Load(seconds)
    began = loop.time()
    connections: list[_Connection] = []
    for request in requests:
        connection = _Connection(request, str(expected).encode(), began + seconds, load)
        await loop.create_connection(partial(_itself, connection), "127.0.0.1", port)
        connections.append(connection)
    async with asyncio.timeout(seconds + ANSWER_S):
        await asyncio.gather(*(connection.done for connection in connections))
    load.within_s = loop.time() - began
    return load
