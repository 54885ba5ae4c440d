"""Describes a list of routes in OpenAPI 3.1, from the very models that validate.

Nothing is written twice: bodies, parameters and answers come from pydantic, problems from their
table, headers and links from what a route says of itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from system.kit.errors import (
    BodyTooLarge,
    ExpectationFailed,
    Forbidden,
    HeadTooLarge,
    Internal,
    Invalid,
    KeyReused,
    MalformedJson,
    MalformedRequest,
    MalformedToken,
    MethodNotAllowed,
    NotFound,
    OutcomeNotKnown,
    PreconditionFailed,
    Refused,
    RequestInProgress,
    RequestTimeout,
    StoreUnavailable,
    Unauthorized,
    UnsupportedMediaType,
    UriTooLong,
    ViewBehind,
    problems,
)
from system.kit.http import headers, preconditions, tokens
from system.kit.http.problems import MEDIA_TYPE, ProblemBody
from system.kit.http.route import SERVICE, Route, Tag
from system.kit.values import ID_MAX

API_VERSION = "1.0.0"

Json = dict[str, Any]  # a piece of the document

_MODE: Literal["validation"] = "validation"
_SCHEMAS = "#/components/schemas/"
_RESPONSES = "#/components/responses/"

_RULES = """\
Every error is problem details (RFC 9457); its `type` is a path that is served here as text.
Every `GET` also answers `HEAD`. `X-Correlation-Id` goes with all that follows from a request, and a
`traceparent` (W3C) is continued in the events. A request that is refused has changed nothing.
"""


def openapi(name: str, routes: Sequence[Route], *, views_at: str | None = None) -> Json:
    """The OpenAPI document of these routes. `views_at` is the address of the query side's own."""
    return _Description(name, routes, views_at).document()


def operation_id(route: Route, method: str | None = None) -> str:
    """`post_orders_by_id_pay`: from method and path, so that it stays while words change."""
    steps = ["by_id" if step == "{id}" else step for step in route.path.split("/")]
    named = list(filter(None, steps)) or ["root"]
    return "_".join([(method or route.method).lower(), *named]).replace("-", "_").replace(".", "_")


def is_operation(route: Route) -> bool:
    """Whether it is for those who run the system, not for its clients."""
    return route.path.startswith("/admin/")


def problems_of(route: Route) -> list[str]:
    """All that a route may refuse with: its own problems and those of what it honours."""
    found: set[type[Refused]] = {
        *(MalformedRequest, MethodNotAllowed, UriTooLong, ExpectationFailed),
        *(Invalid, HeadTooLarge, Internal),
        *route.problems,
    }
    if route.tag is not SERVICE:  # what tells of the service asks no store
        found.add(StoreUnavailable)
    if route.body:
        found |= {MalformedJson, RequestTimeout, BodyTooLarge, UnsupportedMediaType}
    if "{id}" in route.path:
        found.add(NotFound)
    if _changes(route):
        found.add(OutcomeNotKnown)
    if route.idempotent_by_key:
        found.add(RequestInProgress)
    if route.idempotent_by_key and route.body:  # without one, each request is like the first
        found.add(KeyReused)
    if route.is_conditional:
        found.add(PreconditionFailed)
    if route.read_your_writes:
        found |= {MalformedToken, ViewBehind}
    if is_operation(route):
        found |= {Unauthorized, Forbidden}
    names = {each.name for each in found}
    return [name for name in problems() if name in names]


def _changes(route: Route) -> bool:
    return route.method != "GET"


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes of names: they say nothing new."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


class _Schemas:
    """The schemas of all models of these routes."""

    def __init__(self, routes: Iterable[Route]) -> None:
        models = {ProblemBody: None} | {
            model: None for route in routes for model in (route.body, route.answers) if model
        }
        queries = {route.query: None for route in routes if route.query}
        found, definitions = TypeAdapter.json_schemas(
            [(model, _MODE, TypeAdapter(model)) for model in models | queries],
            ref_template=_SCHEMAS + "{model}",
            schema_generator=_Untitled,
        )
        self.components: Json = definitions["$defs"]
        self._refs = {model: found[model, _MODE] for model in models}
        self._parameters = {
            query: self.components.pop(_name_of(found[query, _MODE])) for query in queries
        }

    def of(self, model: type[BaseModel]) -> Json:
        return self._refs[model]

    def parameters(self, query: type[BaseModel]) -> Iterable[Json]:
        """A query model's fields; the model itself is no schema of the document."""
        schema = self._parameters[query]
        for name, field in schema["properties"].items():
            description = {each: field[each] for each in field if each == "description"}
            yield {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                **description,
                "schema": {each: field[each] for each in field if each != "description"},
            }


def _name_of(ref: Mapping[str, str]) -> str:
    return ref["$ref"].removeprefix(_SCHEMAS)


class _Description:
    """One document in the making."""

    def __init__(self, name: str, routes: Sequence[Route], views_at: str | None) -> None:
        self._name = name
        self._routes = routes
        self._views_at = views_at
        self._schemas = _Schemas(routes)
        self._responses: dict[str, Json] = {}

    def document(self) -> Json:
        paths: defaultdict[str, Json] = defaultdict(dict)
        tags = {route.tag.name: route.tag for route in self._routes}
        guarded = any(is_operation(route) for route in self._routes)
        for route in self._routes:
            paths[route.path][route.method.lower()] = self._operation(route)
            if route.method == "GET":
                paths[route.path]["head"] = self._head(route)
        return {
            "openapi": "3.1.0",
            "info": {
                "title": self._name,
                "version": API_VERSION,
                "summary": f"The HTTP interface of {self._name}",
                "description": _RULES,
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": "/", "description": "where this document comes from"}],
            "tags": [{"name": name, "description": tag.description} for name, tag in tags.items()],
            "security": [],
            "paths": dict(paths),
            "components": {
                "schemas": self._schemas.components,
                "responses": dict(sorted(self._responses.items())),
                "headers": _HEADERS,
            }
            | ({"securitySchemes": _SECURITY} if guarded else {}),
        }

    def _operation(self, route: Route) -> Json:
        operation: Json = {
            "operationId": operation_id(route),
            "summary": route.summary,
            "tags": [route.tag.name],
            **self._view_of(route),
            "parameters": list(_parameters(route, self._schemas)),
        }
        if route.body:
            content: Json = {"schema": self._schemas.of(route.body)}
            if route.example:
                content["example"] = route.example
            operation["requestBody"] = {"required": True, "content": {"application/json": content}}
        operation["responses"] = {
            str(route.status): self._success(route),
            **_not_modified(route),
            **self._refusals(route, with_body=True),
        }
        return operation | _security(route)

    def _head(self, route: Route) -> Json:
        """HEAD answers what GET does, without a body."""
        success = {"description": route.summary, "headers": _headers_of(route)}
        return {
            "operationId": operation_id(route, "head"),
            "summary": f"{route.summary}: the headers alone",
            "tags": [route.tag.name],
            "parameters": list(_parameters(route, self._schemas)),
            "responses": {
                str(route.status): success,
                **_not_modified(route),
                **self._refusals(route, with_body=False),
            },
        } | _security(route)

    def _view_of(self, route: Route) -> Json:
        """Where readers find what this route shows: in the query side's document."""
        view = route.tag.view
        if view is None or self._views_at is None or not route.answers_token:
            return {}
        pointer = f"/paths/~1{view.name}~1%7Bid%7D/get"
        return {
            "externalDocs": {
                "description": f"GET /{view.name}/{{id}} of the query side shows what this leaves.",
                "url": f"{self._views_at}#{pointer}",
            }
        }

    def _success(self, route: Route) -> Json:
        response: Json = {"description": route.summary, "headers": _headers_of(route)}
        if route.answers:
            response["content"] = {
                route.media_type: {"schema": self._schemas.of(route.answers)},
            }
        elif route.media_type != "application/json":
            response["content"] = {route.media_type: {"schema": {"type": "string"}}}
        links = _links(route, self._routes)
        return response | ({"links": links} if links else {})

    def _refusals(self, route: Route, *, with_body: bool) -> Json:
        by_status: defaultdict[int, list[str]] = defaultdict(list)
        for name in problems_of(route):
            if with_body or name != MethodNotAllowed.name:  # the client has asked by HEAD
                by_status[problems()[name].status].append(name)
        return {
            str(status): self._refusal(names, with_body=with_body)
            for status, names in sorted(by_status.items())
        }

    def _refusal(self, names: Sequence[str], *, with_body: bool) -> Json:
        """A reference to the response that refuses with one of these problems."""
        name = ".".join(names) + ("" if with_body else ".head")
        if name not in self._responses:
            content = {MEDIA_TYPE: {"schema": _problem_schema(names, self._schemas)}}
            self._responses[name] = {
                "description": "; or ".join(_words(each) for each in names),
                "headers": _headers_of_refusal(names),
            } | ({"content": content} if with_body else {})
        return {"$ref": _RESPONSES + name}


# --- parameters -----------------------------------------------------------------------------------


def _parameters(route: Route, schemas: _Schemas) -> Iterable[Json]:
    if route.query:
        yield from schemas.parameters(route.query)
    if "{id}" in route.path:
        yield {
            "name": "id",
            "in": "path",
            "required": True,
            "description": "As it was answered when the resource was made.",
            "schema": {"type": "integer", "minimum": 1, "maximum": ID_MAX},
        }
    if route.idempotent_by_key:
        yield _header(
            headers.IDEMPOTENCY_KEY,
            "Makes it safe to send this again: the answer is the first one, for 24 hours.",
            headers.KEY_PATTERN,
        )
    if route.is_conditional:
        yield _header(
            headers.IF_MATCH,
            "ETags, one of which the resource must have; `*` for any. Else 412.",
            preconditions.TAGS_PATTERN,
            preconditions.TAGS_MAX,
        )
        yield _header(
            headers.IF_NONE_MATCH,
            "ETags, none of which the resource may have; `*` for any. Else "
            + ("304." if route.method == "GET" else "412."),
            preconditions.TAGS_PATTERN,
            preconditions.TAGS_MAX,
        )
    if route.read_your_writes:
        view = route.read_your_writes[0]
        yield _header(
            headers.CONSISTENCY_TOKEN,
            "As a write has answered it. Waits until that write is visible here.",
            tokens.pattern({view.name: view.parts for view in route.read_your_writes}),
            tokens.TOKEN_MAX,
        ) | {"example": f"{view.name}/1.{next(iter(view.parts))}@1"}
    yield _header(headers.CORRELATION_ID, "A UUID, which then goes with all that follows.")


def _header(
    name: str, description: str, pattern: str | None = None, length_max: int | None = None
) -> Json:
    limits = {"pattern": pattern, "maxLength": length_max}
    schema = {"type": "string"} | {key: limit for key, limit in limits.items() if limit}
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": schema,
    }


def _security(route: Route) -> Json:
    return {"security": [{}, {"token": []}]} if is_operation(route) else {}


_SECURITY: Json = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "Where a token was set; else operations are open to loopback alone.",
    }
}


# --- answers --------------------------------------------------------------------------------------


_HEADERS: Json = {
    headers.CORRELATION_ID: {
        "description": "The request's own, or a new one.",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
    },
    headers.ETAG: {
        "description": "Names this state of the resource, for If-Match and If-None-Match.",
        "required": True,
        "schema": {"type": "string", "pattern": preconditions.ETAG_PATTERN},
    },
    "Allow": {
        "description": "The methods that the path has.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Z]+(, [A-Z]+)*$"},
    },
    "Retry-After": {
        "description": "Seconds after which to try again. Left out where that would not be safe.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
}
_WWW_AUTHENTICATE: Json = {
    "description": "How to show who you are.",
    "required": True,
    "schema": {"type": "string", "const": "Bearer"},
}


def _sent(*names: str) -> Json:
    return {
        name: {"$ref": f"#/components/headers/{name}"} for name in (headers.CORRELATION_ID, *names)
    }


def _headers_of(route: Route) -> Json:
    """The headers of a success."""
    found = _sent()
    if route.status == 201:
        found["Location"] = {
            "description": "The path of what was made.",
            "required": True,
            "schema": {"type": "string", "pattern": f"^{route.path}/[1-9][0-9]{{0,18}}$"},
        }
    if route.answers_token:
        found[headers.CONSISTENCY_TOKEN] = _token_of(route.tag)
        if route.status != 204:
            found |= {headers.ETAG: {"$ref": f"#/components/headers/{headers.ETAG}"}}
    return found


def _not_modified(route: Route) -> Json:
    if route.method != "GET" or not route.is_conditional:
        return {}
    described = {"description": "It is as If-None-Match says.", "headers": _headers_of(route)}
    return {"304": described}


def _token_of(tag: Tag) -> Json:
    assert tag.view is not None, "only what has a view is waited for there"
    return {
        "description": "Send it to the query side to see there at least what is answered here.",
        "required": True,
        "schema": {
            "type": "string",
            "pattern": tokens.pattern({tag.view.name: tag.view.parts}),
        },
    }


def _links(route: Route, routes: Sequence[Route]) -> Json:
    """What can be done next with the resource that was just answered."""
    if route.answers is None or "id" not in route.answers.model_fields:
        return {}
    resource = f"/{route.path.split('/')[1]}/{{id}}"
    return {
        operation_id(other): {
            "operationId": operation_id(other),
            "parameters": {"id": "$response.body#/id"},
        }
        for other in routes
        if other.path.startswith(resource) and other is not route
    }


def _headers_of_refusal(names: Sequence[str]) -> Json:
    extra = {
        "Allow": MethodNotAllowed.name in names,
        "Retry-After": any(problems()[name].retry_after_s for name in names),
    }
    found = _sent(*(name for name, is_sent in extra.items() if is_sent))
    return found | ({"WWW-Authenticate": _WWW_AUTHENTICATE} if Unauthorized.name in names else {})


def _problem_schema(names: Sequence[str], schemas: _Schemas) -> Json:
    types = [f"/problems/{name}" for name in names]
    return {"allOf": [schemas.of(ProblemBody), {"properties": {"type": {"enum": types}}}]}


def _words(name: str) -> str:
    title = problems()[name].title
    return f"{name}: {title[0].lower()}{title[1:]}"
