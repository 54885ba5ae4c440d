"""What every API serves beside its routes: what it is, how it is, what its problems mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from pydantic import BaseModel

from system.kit.errors import Refused, problems
from system.kit.http.health import Health
from system.kit.http.openapi import API_VERSION, openapi
from system.kit.http.route import Answer, Request, Route
from system.kit.metrics import CONTENT_TYPE, Metrics
from system.kit.values import dumps

TEXT = "text/plain; charset=utf-8"


class AboutRoute(BaseModel):
    method: str
    path: str
    summary: str


class About(BaseModel):
    """What a service is, and where to go on from here."""

    service: str
    version: str
    routes: list[AboutRoute]
    links: dict[str, str]


def pages(
    name: str,
    routes: Sequence[Route],
    health: Health,
    metrics: Metrics,
    *,
    views_at: str | None = None,
) -> list[Route]:
    """The routes that all APIs have in common.

    What programs read is in the document, too. What it leaves out is for people, `/docs` and
    `/problems`, and itself.
    """
    for_programs = [
        _fixed("/", "What the service is", _about(name, routes), "application/json", answers=About),
        *health.routes(),
        _metrics(metrics),
    ]
    return [
        *for_programs,
        _description(name, [*routes, *for_programs], views_at),
        _docs(),
        _fixed("/problems", "What can go wrong", "\n".join(_all_problems()), TEXT),
        *(
            _fixed(f"/problems/{key}", problem.title, _described(key, problem), TEXT)
            for key, problem in problems().items()
        ),
    ]


def _fixed(
    path: str,
    summary: str,
    body: str | bytes,
    content_type: str,
    *,
    answers: type[BaseModel] | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Route:
    content = body.encode() if isinstance(body, str) else body
    answer = Answer(200, content, {"Content-Type": content_type, **headers})

    async def send(_: Request) -> Answer:
        return answer

    return Route("GET", path, summary, send, answers=answers, media_type=content_type)


def _metrics(metrics: Metrics) -> Route:
    async def send(_: Request) -> Answer:
        return Answer(200, metrics.text(), {"Content-Type": CONTENT_TYPE})

    return Route("GET", "/metrics", "Metrics for Prometheus", send, media_type=CONTENT_TYPE)


def _description(name: str, routes: Sequence[Route], views_at: str | None) -> Route:
    @cache  # made for the first who asks: at the start it would be half of the work
    def answer() -> Answer:
        document = dumps(openapi(name, routes, views_at=views_at))
        return Answer(200, document, {"Content-Type": "application/json"})

    async def send(_: Request) -> Answer:
        return answer()

    return Route("GET", "/openapi.json", "What it does", send)


def _docs() -> Route:
    page = files("system.kit.http").joinpath("docs.html").read_bytes()
    nothing_from_elsewhere = {
        "Content-Security-Policy": "default-src 'none'; connect-src 'self'; img-src data:; "
        "script-src 'unsafe-inline'; style-src 'unsafe-inline'; frame-ancestors 'none'"
    }
    return _fixed(
        "/docs",
        "A page to try it",
        page,
        "text/html; charset=utf-8",
        headers=nothing_from_elsewhere,
    )


def _about(name: str, routes: Sequence[Route]) -> bytes:
    return dumps(
        {
            "service": name,
            "version": API_VERSION,
            "routes": [
                {"method": route.method, "path": route.path, "summary": route.summary}
                for route in routes
            ],
            "links": {
                "docs": "/docs",
                "health": "/healthz",
                "metrics": "/metrics",
                "openapi": "/openapi.json",
                "problems": "/problems",
                "readiness": "/readyz",
            },
        }
    )


def _described(name: str, problem: type[Refused]) -> str:
    return f"{name} ({problem.status}): {problem.title}.\n\n{problem.meaning}\n"


def _all_problems() -> list[str]:
    return [f"/problems/{name}  {p.status}  {p.title}" for name, p in problems().items()] + [""]
