"""The connections of a process: bounds on their number, on silence, on slow heads and slow readers.

A client that says nothing costs a file descriptor, and a process has few of them. So there is a most;
who comes then takes the place of the connection that has been idle for longest. Where none is idle,
a few places are kept for health and operations, and all else is told to come again.

    most = 2:   A asks, is answered, idles · B is being answered · C comes: A is closed, C has its place
                A asks · B asks · C comes: its GET /healthz is answered, its POST /accounts is 503
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from uuid import UUID

from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.http_exceptions import BadHttpMethod, LineTooLong
from aiohttp.web_protocol import _ErrInfo  # what it takes for a message that cannot be parsed

from system.kit import logs
from system.kit.errors import (
    HeadTooLarge,
    Internal,
    MalformedRequest,
    MethodNotImplemented,
    Refused,
    RequestTimeout,
    TooManyConnections,
    UriTooLong,
    VersionNotSupported,
)
from system.kit.http.answers import common_headers, problem_response, refusal_of_router, sealed
from system.kit.http.problems import MEDIA_TYPE, problem_bytes
from system.kit.metrics import Metrics
from system.kit.ports.world import World

LINE_MAX = 8190
HEADERS_MAX = 128
"""aiohttp's own bound."""
_HEAD_KEPT = LINE_MAX + 2
TAKEN_MIN = 65_536
"""So much of an answer, or all of it, has to be taken within a bound: a telephone's line does."""


class Place(Enum):
    """What a connection is given."""

    OWN = auto()
    RESERVE = auto()
    NONE = auto()


class Connections:
    """Who is connected to any port of this process."""

    def __init__(
        self,
        most: int = 1_000,
        *,
        reserve: int = 16,
        idle_s: float = 75.0,
        head_s: float = 10.0,
        taking_s: float = 10.0,
    ) -> None:
        self.most = most
        self.reserve = reserve
        """Places beyond the most, for health and operations alone."""
        self.idle_s = idle_s
        """Longer than the 60 s that proxies keep an idle connection, so that they close it."""
        self.head_s = head_s
        """How long a request's head may take to arrive, from its first byte on."""
        self.taking_s = taking_s
        """How long a client may take for the next part of an answer."""
        self._open: set[Connection] = set()
        self._idle: dict[Connection, None] = {}
        """In the order in which they became idle."""

    def take_place(self, connection: Connection) -> Place:
        """Give it a place, if need be that of the connection that has idled for longest."""
        place = self._free_place()
        if place is not Place.NONE:
            self._open.add(connection)
            self._idle[connection] = None
        return place

    def _free_place(self) -> Place:
        if len(self._open) < self.most or self._closed_idle(guests=False):
            return Place.OWN
        if len(self._open) < self.most + self.reserve or self._closed_idle(guests=True):
            return Place.RESERVE
        return Place.NONE

    def _closed_idle(self, *, guests: bool) -> bool:
        for oldest in self._idle:
            if oldest.is_guest is guests:
                self.left(oldest)
                oldest.force_close()
                return True
        return False

    @property
    def number(self) -> int:
        return len(self._open)

    def busy(self, connection: Connection) -> None:
        self._idle.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        if connection in self._open:
            self._idle[connection] = None

    def left(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._idle.pop(connection, None)


class Connection(web.RequestHandler):
    """One client's connection. What is not even HTTP gets a problem for an answer, too."""

    __slots__ = (
        "_answered",
        "_connections",
        "_head",
        "_late",
        "_log",
        "_metrics",
        "_untaken",
        "_world",
        "is_guest",
    )

    def __init__(
        self,
        manager: web.Server,
        *,
        loop: asyncio.AbstractEventLoop,
        name: str,
        world: World,
        metrics: Metrics,
        connections: Connections,
    ) -> None:
        super().__init__(
            manager,
            loop=loop,
            keepalive_timeout=connections.idle_s,
            access_log=None,  # type: ignore[arg-type]  # aiohttp's own way to have none
            auto_decompress=False,  # a coded body is refused, so never unpacked
            lingering_time=2.0,  # for a refused body's rest; with aiohttp's 10 s no process would stop
            max_line_size=LINE_MAX,
        )
        self.is_guest = False
        """In the reserve: it gets one answer, which tells of health or is an operation's."""
        self._log = logs.logger(name)
        self._world = world
        self._metrics = metrics
        self._connections = connections
        self._answered = 0
        self._head = b""
        """What has come of a head that is not whole yet."""
        self._late: asyncio.TimerHandle | None = None
        self._untaken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if isinstance(transport, asyncio.Transport):
            # Be told of each byte that is not taken. aiohttp waits for the last one of an answer
            # before it looks at the next request.
            transport.set_write_buffer_limits(high=0)
        place = self._connections.take_place(self)
        self.is_guest = place is Place.RESERVE
        if place is Place.NONE:
            self._refuse(TooManyConnections())

    def connection_lost(self, exc: BaseException | None) -> None:
        self._connections.left(self)
        self._head_is_whole()
        self._all_is_taken()
        super().connection_lost(exc)

    async def start(self) -> None:
        try:
            await super().start()
        except ValueError:  # of an absolute URI's host, which is read before there is a request
            self._refuse(MalformedRequest())

    def pause_writing(self) -> None:
        super().pause_writing()
        if isinstance(self.transport, asyncio.Transport):
            self._watch(self.transport)

    def resume_writing(self) -> None:
        self._all_is_taken()
        super().resume_writing()

    def _watch(self, transport: asyncio.Transport) -> None:
        """Hang up on a client that does not take its answer: it would keep its place for ever."""
        enough = transport.get_write_buffer_size() - TAKEN_MIN

        def look_again() -> None:
            if transport.get_write_buffer_size() <= enough:
                self._watch(transport)
            else:
                self._log.info("answer not taken", bytes=transport.get_write_buffer_size())
                transport.abort()

        self._untaken = self._loop.call_later(self._connections.taking_s, look_again)

    def _all_is_taken(self) -> None:
        if self._untaken is not None:
            self._untaken.cancel()
            self._untaken = None

    def data_received(self, data: bytes) -> None:
        came = self._request_count  # aiohttp's own, as is `transport`: it tells of no request begun
        if self._late is not None or self._answered == came:
            self._head = (self._head + data)[:_HEAD_KEPT]
        super().data_received(data)
        if self._messages and isinstance(self._messages[-1][0], _ErrInfo):
            self._head = _head_behind_others(data, in_hand=self._answered < came) or self._head
        if self._request_count > came:
            self._connections.busy(self)
            self._head_is_whole()
        elif self._answered == came and self._late is None:
            self._late = self._loop.call_later(
                self._connections.head_s, self._refuse, RequestTimeout()
            )

    def _head_is_whole(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.HTTPException):  # before the application: no problem of its table
            resp = self._unheard(request, refusal_of_router(resp))
        if self.is_guest:
            resp.force_close()
        if request.version != HttpVersion10:
            _answer_in_our_version(request)
        done = await super().finish_response(request, resp, start_time)
        self._answered += 1
        if self._answered == self._request_count:
            self._head = b""
            self._connections.idle(self)
        return done

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what never reached the application: requests that cannot be parsed."""
        if status < 500:
            return self._unheard(request, refusal_of_parser(exc, self._head))
        self._log.error("connection failed", exc_info=exc)
        return self._unheard(request, Internal())

    def _unheard(self, request: web.BaseRequest, refused: Refused) -> web.StreamResponse:
        if request.writer.output_size > 0:
            raise ConnectionError("the answer had begun: nothing else can be said on it")
        response = problem_response(request, refused, correlation_id := self._noted(refused))
        response.force_close()
        _answer_in_our_version(request)
        return sealed(request, response, correlation_id)

    def _refuse(self, refused: Refused) -> None:
        """Say so without a request to answer, and hang up."""
        if self.transport is not None:
            self.transport.write(_bare(refused, self._noted(refused)))
            self.force_close()

    def _noted(self, refused: Refused) -> UUID:
        correlation_id = self._world.new_id()
        self._metrics.request("unknown", "other", refused.status, 0.0)
        self._log.info(
            "request not understood",
            status=refused.status,
            problem=refused.name,
            correlation_id=str(correlation_id),
        )
        return correlation_id


def _answer_in_our_version(request: web.BaseRequest) -> None:
    """Aiohttp answers in the client's version, be it 2.0; and in 1.0 to what it cannot parse."""
    request._cache["version"] = HttpVersion11  # noqa: SLF001 (where `version` keeps it)


_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_REST_OF_LINE = rb" \S+ HTTP/([0-9])\.([0-9])\r?\n"
_FIRST_LINE = re.compile(rb"(?:\r?\n)*(" + _TOKEN + rb"+)" + _REST_OF_LINE)
_SOME_FIRST_LINE = re.compile(rb"(?<!" + _TOKEN + rb")" + _TOKEN + rb"{1,20}+" + _REST_OF_LINE)


def _begins_well(data: bytes) -> bool:
    """Whether the first head is a good one: then what cannot be parsed is behind it, not its body."""
    first_line = _FIRST_LINE.match(data)
    head = data[: data.find(b"\r\n\r\n")].strip().split(b"\r\n")
    return (
        first_line is not None
        and first_line[2] == b"1"
        and first_line[3] in (b"0", b"1")
        and len(head) <= 1 + HEADERS_MAX
        and all(len(line) <= LINE_MAX for line in head)
        and all(b":" in line for line in head[1:])
    )


def _head_behind_others(data: bytes, *, in_hand: bool) -> bytes:
    """What begins with the last head, if another request is before it; perhaps with a body's end."""
    end = data.rfind(b"\r\n\r\n", 0, -4)
    if not in_hand and (end < 0 or not _begins_well(data)):
        return b""
    start = end + 4 if end >= 0 else 0
    first_line = _SOME_FIRST_LINE.search(data, start)
    return data[first_line.start() if first_line else start :][:_HEAD_KEPT]


def refusal_of_parser(error: BaseException | None, head: bytes) -> Refused:
    """What is wrong with a head that aiohttp's parser gave up on."""
    first_line = _FIRST_LINE.match(head)
    if isinstance(error, LineTooLong):
        return HeadTooLarge() if first_line else UriTooLong()
    if "Too many headers" in str(error):
        return HeadTooLarge()
    if first_line is None:
        return MalformedRequest()
    if isinstance(error, BadHttpMethod):
        return MethodNotImplemented()
    if first_line[2] != b"1" or first_line[3] not in (b"0", b"1"):
        return VersionNotSupported()
    return MalformedRequest()


def _bare(refused: Refused, correlation_id: UUID) -> bytes:
    body = problem_bytes(refused, instance="/", correlation_id=correlation_id)
    headers = {
        **refused.headers,
        "Content-Type": MEDIA_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
        **common_headers(correlation_id),
    }
    lines = [f"{name}: {value}" for name, value in headers.items()]
    first = f"HTTP/1.1 {refused.status} {refused.title}"
    return "\r\n".join([first, *lines, "", ""]).encode("ascii") + body


def room_for_connections(at_most: int = 10_000) -> int:
    """How many connections this process may hold: for half of the descriptors that it may have.

    It takes all that it may have: what a shell grants at first is often 1,024. The other half is for
    files, stores and bursts. A listener accepts up to a hundred connections before the first of them
    is counted, and closes those whose places they take afterwards: with eight ports that makes 800.
    """
    try:
        import resource  # noqa: PLC0415 - not everywhere
    except ImportError:  # Windows, where no such limit is known
        return at_most
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems grant less than they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    granted, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if granted == resource.RLIM_INFINITY:
        return at_most
    return max(16, min(at_most, granted // 2))


def quiet_accepts(
    handle: Callable[[dict[str, object]], None], clock: Callable[[], float]
) -> Callable[[asyncio.AbstractEventLoop, dict[str, object]], None]:
    """A loop's exception handler that tells of failed accepts once a second.

    Where descriptors have run out, asyncio tells of each of a hundred tries, and tries again.
    """
    told_at = -1.0

    def handler(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        nonlocal told_at
        if "accept" in str(context.get("message", "")):
            if clock() - told_at < 1.0:
                return
            told_at = clock()
        handle(context)

    return handler
