"""Describes a list of routes in OpenAPI 3.1, from the very models that validate.

Nothing is written twice: bodies, parameters and answers come from pydantic, problems from their
table, headers from what a route says that it honours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from system.values import ID_MAX
from system.web import headers
from system.web.problems import MEDIA_TYPE, PROBLEMS, ProblemBody
from system.web.route import Route

API_VERSION = "1.0.0"

Json = dict[str, Any]  # a piece of the document

_MODE: Literal["validation"] = "validation"
_SCHEMAS = "#/components/schemas/"


def openapi(name: str, routes: Sequence[Route]) -> Json:
    """The OpenAPI document of these routes."""
    schemas = _Schemas(routes)
    paths: defaultdict[str, Json] = defaultdict(dict)
    for route in routes:
        paths[route.path][route.method.lower()] = _operation(route, routes, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": name,
            "version": API_VERSION,
            "summary": f"The HTTP interface of {name}",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": "/", "description": "where this document comes from"}],
        "paths": dict(paths),
        "components": {
            "schemas": schemas.components,
            "headers": _HEADERS,
            "securitySchemes": _SECURITY,
        },
    }


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
            yield {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", ()),
                "schema": field,
            }


def _name_of(ref: Mapping[str, str]) -> str:
    return ref["$ref"].removeprefix(_SCHEMAS)


def _operation(route: Route, routes: Sequence[Route], schemas: _Schemas) -> Json:
    operation: Json = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "tags": [route.path.split("/")[1]],
        "parameters": _parameters(route, schemas),
        "responses": {
            str(route.status): _success(route, routes, schemas),
            **_refusals(route, schemas),
        },
    }
    if route.body:
        content: Json = {"schema": schemas.of(route.body)}
        if route.example:
            content["example"] = route.example
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    if is_operation(route):
        operation["security"] = [{}, {"token": []}]
    return operation


def operation_id(route: Route) -> str:
    """`post_orders_by_id_pay`: from method and path, so that it stays while words change."""
    steps = ["by_id" if step == "{id}" else step for step in route.path.split("/")]
    return "_".join([route.method.lower(), *filter(None, steps)]).replace("-", "_")


def is_operation(route: Route) -> bool:
    """Whether it is for those who run the system, not for its clients."""
    return route.path.startswith("/admin/")


def _changes(route: Route) -> bool:
    return route.method != "GET" and not is_operation(route)


def _parameters(route: Route, schemas: _Schemas) -> list[Json]:
    parameters = list(schemas.parameters(route.query)) if route.query else []
    if "{id}" in route.path:
        number = {"type": "integer", "minimum": 1, "maximum": ID_MAX}
        parameters.append({"name": "id", "in": "path", "required": True, "schema": number})
    if route.idempotent_by_key:
        parameters.append(
            _header(
                headers.IDEMPOTENCY_KEY,
                "Makes it safe to send this again: the answer is the first one, for 24 hours.",
                headers.KEY_PATTERN,
            )
        )
    if route.read_your_writes:
        parameters.append(
            _header(
                headers.CONSISTENCY_TOKEN,
                "As a write has answered it. Waits until that write is visible here.",
            )
        )
    parameters.append(
        _header(headers.CORRELATION_ID, "A UUID, which then goes with all that follows.")
    )
    return parameters


def _header(name: str, description: str, pattern: str | None = None) -> Json:
    schema = {"type": "string"} | ({"pattern": pattern} if pattern else {})
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": schema,
    }


_HEADERS: Json = {
    headers.CORRELATION_ID: {
        "description": "The request's own, or a new one.",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
    },
    headers.CONSISTENCY_TOKEN: {
        "description": "Send it to the query side to see there what was written here.",
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "The path of what was made.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds after which to try again.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
    "WWW-Authenticate": {"schema": {"type": "string"}},
}

_SECURITY: Json = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "Where a token was set; else operations are open to loopback alone.",
    }
}


def _sent(*names: str) -> Json:
    return {
        name: {"$ref": f"#/components/headers/{name}"} for name in (headers.CORRELATION_ID, *names)
    }


def _success(route: Route, routes: Sequence[Route], schemas: _Schemas) -> Json:
    names = ["Location"] if route.status == 201 else []
    if _changes(route):
        names.append(headers.CONSISTENCY_TOKEN)
    response: Json = {"description": route.summary, "headers": _sent(*names)}
    if route.answers:
        response["content"] = {"application/json": {"schema": schemas.of(route.answers)}}
    links = _links(route, routes)
    if links:
        response["links"] = links
    return response


def _links(route: Route, routes: Sequence[Route]) -> Json:
    """What can be done next with a resource that was just made."""
    if route.status != 201:
        return {}
    return {
        operation_id(other): {
            "operationId": operation_id(other),
            "parameters": {"id": "$response.body#/id"},
        }
        for other in routes
        if other.path.startswith(route.path + "/{id}")
    }


def _refusals(route: Route, schemas: _Schemas) -> Json:
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for name in problems_of(route):
        by_status[PROBLEMS[name].status].append(name)
    return {str(status): _refusal(names, schemas) for status, names in sorted(by_status.items())}


def problems_of(route: Route) -> list[str]:
    """All that a route may refuse with: its own problems and those of what it honours."""
    names = {"malformed-request", "invalid", "unavailable", "internal", *route.problems}
    if route.body:
        names |= {"malformed-json", "request-timeout", "body-too-large", "unsupported-media-type"}
    if "{id}" in route.path:
        names.add("not-found")
    if _changes(route):
        names |= {"outcome-unknown"}
    if route.idempotent_by_key:
        names |= {"key-reused", "request-in-progress"}
    if route.read_your_writes:
        names |= {"malformed-token", "view-behind"}
    if is_operation(route):
        names |= {"unauthorized", "forbidden"}
    return [name for name in PROBLEMS if name in names]


def _refusal(names: Sequence[str], schemas: _Schemas) -> Json:
    problems = [PROBLEMS[name] for name in names]
    extra = ["Retry-After"] if any(problem.retry_after_s for problem in problems) else []
    if "unauthorized" in names:
        extra.append("WWW-Authenticate")
    types = [f"/problems/{name}" for name in names]
    schema = {
        "allOf": [schemas.of(ProblemBody), {"properties": {"type": {"enum": types}}}],
    }
    return {
        "description": "; or ".join(
            f"{name}: {problem.title[0].lower()}{problem.title[1:]}"
            for name, problem in zip(names, problems, strict=True)
        ),
        "headers": _sent(*extra),
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
