"""`/openapi.json`: valid OpenAPI 3.1, and what really is answered is what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from schemathesis.specs.openapi.definitions import OPENAPI_31

from scenarios.http.toy import THING, Reply, Running, Toy
from system.values import dumps
from system.web.bodies import parse_body, parse_query
from system.web.headers import KEY_PATTERN
from system.web.openapi import openapi, operation_id, problems_of
from system.web.paging import Page
from system.web.problems import PROBLEMS, Refused
from system.web.route import Route

ROUTES = Toy().routes()
DOCUMENT = openapi("toy-api", ROUTES)
JSON = {"Content-Type": "application/json"}


def everything_in(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from everything_in(inner)
    if isinstance(value, list):
        for inner in value:
            yield from everything_in(inner)


def resolved(ref: str) -> Any:
    value: Any = DOCUMENT
    for step in ref.removeprefix("#/").split("/"):
        value = value[step]
    return value


def test_it_is_openapi_3_1() -> None:
    validator = jsonschema_rs.validator_for(OPENAPI_31)
    assert [error.message for error in validator.iter_errors(DOCUMENT)] == []


def test_its_references_lead_somewhere() -> None:
    refs = [piece["$ref"] for piece in everything_in(DOCUMENT) if "$ref" in piece]
    assert refs
    for ref in refs:
        assert resolved(ref)


def test_its_schemas_are_schemas() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_it_names_each_operation_once() -> None:
    names = [operation_id(route) for route in ROUTES]
    assert len(set(names)) == len(names)
    assert "put_things_by_id" in names


async def test_it_is_served_with_the_health_of_the_service(toy: Running) -> None:
    served = (await toy.ask("GET", "/openapi.json")).json
    assert set(served["paths"]) == {*DOCUMENT["paths"], "/healthz", "/readyz"}
    assert served["info"]["title"] == "toy-api"


async def test_the_root_describes_the_service(toy: Running) -> None:
    about = (await toy.ask("GET", "/")).json
    assert (about["service"], about["version"]) == ("toy-api", "1.0.0")
    assert {"method": "PUT", "path": "/things/{id}", "summary": "Change"} in about["routes"]
    for link in about["links"].values():
        assert (await toy.ask("GET", link)).status == 200


def test_every_model_is_there_under_its_own_name_and_parameters_are_none() -> None:
    assert set(DOCUMENT["components"]["schemas"]) == {
        *("Fault", "NewThing", "OrderStatus", "Piece", "ProblemBody"),
        *("Thing", "ThingChanges", "ThingPage"),
    }


def test_what_is_left_out_is_neither_null_nor_a_default() -> None:
    for piece in everything_in([DOCUMENT["paths"], DOCUMENT["components"]["schemas"]["NewThing"]]):
        assert piece.get("type") != "null"
        assert piece.get("default", 0) is not None


def test_parameters_say_what_they_take() -> None:
    parameters = {each["name"]: each for each in DOCUMENT["paths"]["/things"]["get"]["parameters"]}
    limits = {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}
    assert parameters["limit"]["schema"] == limits
    assert set(parameters["after"]["schema"]) == {"type", "pattern"}
    assert not any(each["required"] for each in parameters.values())


@given(st.from_regex(Page.model_json_schema()["properties"]["after"]["pattern"], fullmatch=True))
def test_whatever_the_pattern_of_a_cursor_allows_is_one(text: str) -> None:
    assert parse_query(Page, [("after", text)])


@given(st.from_regex(KEY_PATTERN, fullmatch=True, alphabet=st.characters(codec="ascii")))
def test_keys_that_the_pattern_allows_lose_nothing_on_the_way(key: str) -> None:
    assert key == key.strip()
    assert 1 <= len(key) <= 200


def test_the_example_of_a_body_is_a_good_one() -> None:
    content = DOCUMENT["paths"]["/things"]["post"]["requestBody"]["content"]["application/json"]
    assert content["example"] == ROUTES[0].example
    assert ROUTES[0].body
    parse_body(ROUTES[0].body, dumps(content["example"]))  # refuses a bad one


def test_a_new_resource_links_to_what_can_be_done_with_it() -> None:
    links = DOCUMENT["paths"]["/things"]["post"]["responses"]["201"]["links"]
    assert set(links) == {"get_things_by_id", "put_things_by_id", "delete_things_by_id"}
    assert links["get_things_by_id"]["parameters"] == {"id": "$response.body#/id"}


@pytest.mark.parametrize(
    ("route", "names"),
    [
        (ROUTES[0], {"email-taken", "key-reused", "request-in-progress", "outcome-unknown"}),
        (ROUTES[0], {"malformed-json", "body-too-large", "unsupported-media-type"}),
        (ROUTES[1], {"invalid", "unavailable"}),
        (ROUTES[2], {"not-found", "view-behind", "malformed-token"}),
        (ROUTES[5], {"unauthorized", "forbidden"}),
    ],
    ids=lambda value: value.summary if isinstance(value, Route) else None,
)
def test_a_routes_problems_follow_from_what_it_honours(route: Route, names: set[str]) -> None:
    assert names <= set(problems_of(route))
    described = DOCUMENT["paths"][route.path][route.method.lower()]["responses"]
    for name in names:
        assert f"{name}: " in described[str(PROBLEMS[name].status)]["description"]


def assert_described(method: str, path: str, reply: Reply) -> None:
    """Fail unless status, headers, media type and body are what the document promises."""
    template = re.sub(r"/[0-9]+", "/{id}", path.partition("?")[0])
    response = DOCUMENT["paths"][template][method.lower()]["responses"][str(reply.status)]
    for name, header in response["headers"].items():
        assert name in reply.headers or not resolved(header["$ref"]).get("required")
    if "content" not in response:
        assert not reply.body
        return
    schema = response["content"][reply.headers["Content-Type"]]["schema"]
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema_rs.validator_for(whole).validate(reply.json)


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("POST", "/things", {"json": THING}, 201),
        ("POST", "/things", {"json": {}}, 422),
        ("POST", "/things", {"data": b"{", "headers": JSON}, 400),
        ("POST", "/things", {"data": b"{}"}, 415),
        ("POST", "/things", {"data": b" " * (2**20 + 1), "headers": JSON}, 413),
        ("GET", "/things", {}, 200),
        ("GET", "/things?limit=2", {}, 200),
        ("GET", "/things?limit=x", {}, 422),
        ("GET", "/things/1", {}, 200),
        ("GET", "/things/9223372036854775808", {}, 404),
        ("PUT", "/things/1", {"json": {"name": "B"}}, 200),
        ("PUT", "/things/1", {"json": {}}, 422),
        ("DELETE", "/things/1", {}, 204),
        ("GET", "/admin/secrets", {"headers": {"Host": "attacker.example"}}, 403),
    ],
)
async def test_answers_are_as_described(
    toy: Running, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    reply = await toy.ask(method, path, **options)
    assert reply.status == status
    assert_described(method, path, reply)


@pytest.mark.parametrize("name", ["internal", "unavailable", "outcome-unknown"])
async def test_failures_are_as_described(toy: Running, name: str) -> None:
    toy.toy.failure = Refused(name)
    assert_described("PUT", "/things/1", await toy.ask("PUT", "/things/1", json={"name": "B"}))
