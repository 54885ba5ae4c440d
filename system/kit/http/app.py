"""Turns a list of routes into an aiohttp application.

What all requests have in common is here, once: who asked (correlation and trace), the checks of
the route, a bound on time, problem details for every error, one log line, the metrics.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from itertools import groupby
from operator import attrgetter
from uuid import UUID

import structlog
from aiohttp import HttpVersion10, HttpVersion11, web, web_urldispatcher

from system.kit import logs, tracing
from system.kit.errors import (
    BodyTooLarge,
    CodingNotImplemented,
    ExpectationFailed,
    Forbidden,
    Internal,
    MalformedJson,
    MalformedRequest,
    NotFound,
    OutcomeNotKnown,
    Refused,
    RequestTimeout,
    StoreUnavailable,
    TooManyConnections,
    Unauthorized,
    VersionNotSupported,
    invalid,
)
from system.kit.events import Cause
from system.kit.http.answers import problem_response, refusal_of_router, sealed
from system.kit.http.bodies import BODY_MAX, check_media_type, parse_body, parse_query
from system.kit.http.connections import Connection
from system.kit.http.headers import (
    CONSISTENCY_TOKEN,
    CORRELATION_ID,
    ETAG,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    KEY_PATTERN,
    UUID_PATTERN,
)
from system.kit.http.health import Health
from system.kit.http.openapi import is_operation
from system.kit.http.pages import pages
from system.kit.http.preconditions import NOTHING_DEMANDED, Precondition, precondition
from system.kit.http.problems import refusal_of
from system.kit.http.route import Answer, Request, Route
from system.kit.metrics import Metrics
from system.kit.ports.world import World
from system.kit.values import ID_MAX

_CAUSE = web.RequestKey("cause", Cause)
_METHODS = frozenset("GET HEAD POST PUT DELETE PATCH OPTIONS".split())
_READS = frozenset({"GET", "HEAD"})
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines: their lines would bury all others."""


def application(
    name: str,
    routes: Sequence[Route],
    *,
    world: World,
    health: Health,
    metrics: Metrics,
    timeout_s: float = 10.0,
    admin_token: str | None = None,
    views_at: str | None = None,
    with_pages: bool = True,
) -> web.Application:
    """Make an application that answers `routes`, and `/`, `/healthz`, `/docs` and their like: its pages.

    Paths under `/admin/` need `admin_token`; without one they are open to loopback alone.
    `views_at` is where the query side's OpenAPI document is, for the one made here to name.
    """
    api = _Api(name, world, metrics, timeout_s, admin_token, logs.logger(name))
    app = web.Application(middlewares=[api.answered])
    common = pages(name, routes, health, metrics, views_at=views_at) if with_pages else ()
    everything = [*routes, *common]
    by_path = attrgetter("path")
    for path, same_path in groupby(sorted(everything, key=by_path), key=by_path):
        resource = app.router.add_resource(path.replace("{id}", "{id:[1-9][0-9]{0,18}}"))
        for route in same_path:
            handler = api.handler(route)
            resource.add_route(route.method, handler)
            if route.method == "GET":
                resource.add_route("HEAD", handler)
    return app


@dataclass(frozen=True, slots=True)
class _Api:
    name: str
    world: World
    metrics: Metrics
    timeout_s: float
    admin_token: str | None
    log: logs.Logger

    @property
    def answered(self) -> Callable[..., Awaitable[web.StreamResponse]]:
        """The one middleware, around everything: no request leaves without an answer and a line."""

        @web.middleware
        async def answered(request: web.Request, handler: _Handler) -> web.StreamResponse:
            started = _time()
            cause = request[_CAUSE] = self._cause(request)
            with structlog.contextvars.bound_contextvars(
                service=self.name,
                correlation_id=str(cause.correlation_id),
                trace_id=tracing.trace_id(cause.traceparent),
            ):
                response = await self._answer(request, handler)
                self._note(request, response, _time() - started)
            return response

        return answered

    def _cause(self, request: web.Request) -> Cause:
        correlation_id = correlation_of(request.headers.get(CORRELATION_ID))
        traceparent = tracing.child(request.headers.get("traceparent"), self.world.random)
        return Cause(correlation_id or self.world.new_id(), None, traceparent)

    async def _answer(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            check_head(request)
            response = await handler(request)
        except web.HTTPException as error:
            response = problem_response(request, refusal_of_router(error), self._id_of(request))
        except Exception as error:  # noqa: BLE001 - every failure is answered; ours is logged
            refused = self._refusal(error, request.method)
            response = problem_response(request, refused, self._id_of(request))
        return sealed(request, response, self._id_of(request))

    @staticmethod
    def _id_of(request: web.Request) -> UUID:
        return request[_CAUSE].correlation_id

    def _refusal(self, error: Exception, method: str) -> Refused:
        refused = refusal_of(error)
        if refused is None:
            self.log.error("request failed", exc_info=error)
            return Internal()
        if refused is not error and refused.status >= 500:
            self.log.warning("request refused by a store", problem=refused.name, error=str(error))
        if isinstance(refused, OutcomeNotKnown) and method in _READS:
            return StoreUnavailable()  # nothing was to be changed: it may simply be asked again
        return refused

    def _note(self, request: web.Request, response: web.StreamResponse, seconds: float) -> None:
        """Count it, and log it with the ids of what it was about.

        A known path holds ids alone; an unknown one can hold anything, so it is not logged.
        """
        resource = request.match_info.route.resource
        route = resource.canonical if resource else "unknown"
        method = request.method if request.method in _METHODS else "other"
        status = response.status
        self.metrics.request(route, method, status, seconds)
        note = self.log.debug if route in _PROBES else self.log.info
        about = {} if resource is None else {"path": request.rel_url.raw_path}
        if made := response.headers.get("Location"):
            about["made"] = made
        note(
            "answered",
            method=method,
            route=route,
            **about,
            status=status,
            ms=round(seconds * 1000, 1),
        )

    def handler(self, route: Route) -> _Handler:
        """Check a request against its route, run it, send the answer: each within the bound."""

        async def handle(request: web.Request) -> web.StreamResponse:
            deadline = _time() + self.timeout_s
            if is_operation(route):
                admit(request, self.admin_token)
            asked: Request | None = None
            try:
                async with asyncio.timeout_at(deadline) as bound:
                    asked = await self._asked(route, request, deadline)
                    answer = await route.run(asked)
            except TimeoutError:
                if not bound.expired():  # someone else's, and unexpected
                    raise
                raise (RequestTimeout() if asked is None else self._too_late(route)) from None
            return _response(_as_asked(answer, asked) if route.method == "GET" else answer)

        return handle

    def _too_late(self, route: Route) -> Refused:
        detail = f"There was no answer within {self.timeout_s:g} s."
        changes = route.method != "GET"  # what was cut off may have been its COMMIT
        return (OutcomeNotKnown if changes else StoreUnavailable)(detail)

    async def _asked(self, route: Route, request: web.Request, deadline: float) -> Request:
        number = path_id(request)  # first: what is wrong with a request for nothing is no matter
        key = idempotency_key(request) if route.idempotent_by_key else None
        query = parse_query(route.query, list(request.query.items()))
        raw = b""
        if route.body:
            headers = request.headers
            check_media_type(
                headers.getall("Content-Type", ()), headers.getall("Content-Encoding", ())
            )
            raw = await read_body(request)
        tokens = request.headers.getall(CONSISTENCY_TOKEN, ())
        return Request(
            cause=request[_CAUSE],
            id=number,
            body=parse_body(route.body, raw) if route.body else None,
            query=query,
            path=route.path.replace("{id}", str(number)),
            precondition=_precondition(request) if route.is_conditional else NOTHING_DEMANDED,
            raw_body=raw,
            idempotency_key=key,
            consistency_token=",".join(tokens) if tokens and route.read_your_writes else None,
            deadline=deadline,
        )


_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _time() -> float:
    return asyncio.get_running_loop().time()


def _precondition(request: web.Request) -> Precondition:
    of = request.headers.getall
    return precondition(of(IF_MATCH, ()), of(IF_NONE_MATCH, ()))


def _as_asked(answer: Answer, asked: Request) -> Answer:
    """What is shown, unless the client has it already, or asked for another state of it."""
    tag = answer.headers.get(ETAG)
    if tag is None:
        return answer
    asked.precondition.demand_match(tag)
    return Answer(304, headers=answer.headers) if asked.precondition.is_known(tag) else answer


def _response(answer: Answer) -> web.Response:
    headers = dict(answer.headers)
    if answer.body:
        headers.setdefault("Content-Type", "application/json")
    return web.Response(status=answer.status, body=answer.body or None, headers=headers)


def correlation_of(header: str | None) -> UUID | None:
    """The caller's correlation id, if it is a UUID in its usual form."""
    if header is None or not re.fullmatch(UUID_PATTERN, header):
        return None
    return UUID(header)


def path_id(request: web.Request) -> int:
    """The `{id}` of the path, 0 where there is none. Its form was the router's to check."""
    number = int(request.match_info.get("id", "0"))
    if number > ID_MAX:
        raise NotFound
    return number


def idempotency_key(request: web.Request) -> str | None:
    """The request's Idempotency-Key, checked."""
    keys = request.headers.getall(IDEMPOTENCY_KEY, ())
    if not keys:
        return None
    if len(keys) > 1 or not re.fullmatch(KEY_PATTERN, keys[0]):
        raise invalid(f"header/{IDEMPOTENCY_KEY}", "must be 1 to 200 printable ASCII characters")
    return keys[0]


async def read_body(request: web.Request) -> bytes:
    """The exact bytes of the body, as long as they are not too many."""
    if (request.content_length or 0) > BODY_MAX:
        raise BodyTooLarge
    body = bytearray()
    try:
        if "Expect" in request.headers and request.version >= HttpVersion11:
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # the answer itself has not begun
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > BODY_MAX:  # chunked, or longer than it said
                raise BodyTooLarge
    except (web.RequestPayloadError, ConnectionError):  # the client has left in mid-body
        raise MalformedJson("The body did not arrive whole.") from None
    return bytes(body)


async def _continue_later(request: web.Request) -> None:
    """Leave it to `read_body` to ask for the body: what is refused first need not send it."""


# For all routes: those of aiohttp's own, for unknown paths and methods, have no parameter for it.
web_urldispatcher._default_expect_handler = _continue_later  # noqa: SLF001


_HOST = re.compile(
    r"(\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::([0-9]{0,5}))?"
)


def host_of(request: web.BaseRequest) -> str:
    """The name by which the client reached us. Raises MalformedRequest."""
    hosts = request.headers.getall("Host", ("",))  # only HTTP/1.0 gets here without one
    match = _HOST.fullmatch(hosts[0])
    if match is None or len(hosts) > 1:
        raise MalformedRequest("One Host is needed: a name or an address, and a port.")
    if int(match[2] or 0) > 65_535:
        raise MalformedRequest("The port in Host is out of range.")
    host = match[1].strip("[]").lower()
    if match[1].startswith("[") and not _is_ipv6(host):
        raise MalformedRequest("The brackets in Host hold no address of IPv6.")
    return host


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def check_head(request: web.Request) -> None:
    """Refuse what no route has to look at."""
    if request.version not in (HttpVersion10, HttpVersion11):
        raise VersionNotSupported
    host_of(request)
    if request.headers.get("Transfer-Encoding", "chunked").strip().lower() != "chunked":
        raise CodingNotImplemented  # aiohttp looks at the last coding alone
    expected = request.headers.getall("Expect", ())
    if any(each.lower() != "100-continue" for each in expected):
        raise ExpectationFailed
    if isinstance(request.protocol, Connection) and request.protocol.is_guest:
        path = request.rel_url.raw_path
        if path not in _PROBES and not path.startswith("/admin/"):
            raise TooManyConnections


def admit(request: web.Request, token: str | None) -> None:
    """Let operations be asked for by those who may, and by no web page on their behalf."""
    if token is not None:
        given = request.headers.get("Authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, f"Bearer {token}".encode()):
            raise Unauthorized(headers={"WWW-Authenticate": "Bearer"})
        return
    # A page on the internet can send a browser here: under a name of its own, or across sites.
    across_sites = request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
    if not _is_loopback(request.remote) or not _is_loopback(host_of(request)) or across_sites:
        raise Forbidden


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        address = ip_address(host or "")
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_loopback
