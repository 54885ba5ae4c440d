"""`/openapi.json`: valid OpenAPI 3.1, and what really is answered is what it says."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unicodedata import category, normalize

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import TypeAdapter, ValidationError

from scenarios.http.toy import THING, Reply, Running, Toy
from system.kit.errors import Refused, problems
from system.kit.http.bodies import EMAIL_MAX, EMAIL_PATTERN, Email, parse_body, parse_query
from system.kit.http.headers import KEY_PATTERN
from system.kit.http.openapi import openapi, operation_id, problems_of
from system.kit.http.paging import Page
from system.kit.http.route import Route
from system.kit.http.tokens import pattern, terms
from system.kit.values import dumps

ROUTES = Toy().routes()
VIEWS_AT = "http://views.example/openapi.json"
DOCUMENT = openapi("toy-api", ROUTES, views_at=VIEWS_AT)
UNHURRIED = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""What a loaded machine takes for an example says nothing."""
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
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


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
    assert set(served["paths"]) == {
        *DOCUMENT["paths"],
        *("/", "/healthz", "/readyz", "/metrics"),
    }
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


@UNHURRIED
@given(st.from_regex(Page.model_json_schema()["properties"]["after"]["pattern"], fullmatch=True))
def test_whatever_the_pattern_of_a_cursor_allows_is_one(text: str) -> None:
    assert parse_query(Page, [("after", text)])


@UNHURRIED
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


def test_what_can_be_read_again_by_its_id_leads_on() -> None:
    links = DOCUMENT["paths"]["/things/{id}"]["put"]["responses"]["200"]["links"]
    assert set(links) == {"get_things_by_id", "delete_things_by_id"}


def test_head_is_get_without_a_body() -> None:
    for methods in DOCUMENT["paths"].values():
        assert ("get" in methods) == ("head" in methods)
    get, head = DOCUMENT["paths"]["/things"]["get"], DOCUMENT["paths"]["/things"]["head"]
    assert get["parameters"] == head["parameters"]
    assert get["responses"].keys() == {*head["responses"], "405"}
    assert "content" not in response_of("head", "/things", 200)
    assert "content" not in response_of("head", "/things", 422)


@pytest.mark.parametrize(
    ("method", "path", "status", "answered"),
    [
        ("post", "/things", 201, True),
        ("put", "/things/{id}", 200, True),
        ("delete", "/things/{id}", 204, True),
        ("get", "/things/{id}", 200, False),  # the query side's: it takes one
        ("get", "/things", 200, False),  # a page is no one document
        ("get", "/admin/secrets", 200, False),
    ],
)
def test_a_token_is_said_where_one_is_answered(
    method: str, path: str, status: int, answered: bool
) -> None:
    headers = response_of(method, path, status)["headers"]
    assert ("Consistency-Token" in headers) == answered
    if answered:
        assert re.fullmatch(headers["Consistency-Token"]["schema"]["pattern"], "things/7.self@1")


@UNHURRIED
@given(st.from_regex(pattern({"users": ["self"], "products": ["self", "stock"]}), fullmatch=True))
@example("users/1.self@1 ,\tproducts/999999999999999999.stock@999999999999999999")
def test_whatever_the_pattern_of_a_token_allows_is_one(text: str) -> None:
    assert terms(text.rstrip("\n"), {"users": ["self"], "products": ["self", "stock"]})


@pytest.mark.parametrize(
    "text", ["users/1.stock@1", "users/0.self@1", "users/1.self@1000000000000000000", "users", ""]
)
def test_what_the_pattern_of_a_token_leaves_out_is_none(text: str) -> None:
    assert not re.fullmatch(pattern({"users": ["self"]}), text)
    with pytest.raises(Refused, match="malformed-token"):
        terms(text, {"users": ["self"]})


@UNHURRIED
@given(st.from_regex(EMAIL_PATTERN, fullmatch=True) | st.text() | st.emails())
@example("\u3000" + "A" * 252 + "@b\x85")
@example("a" * 253 + "@b")
@example("\u0130@b")
@example("\ufeff@b")
@example("a\u200b@b")
@example("\u0000@b")
@example("e\u0301@b")
@example("\U0001d15e@b")
@example("\U000e0041@b")
def test_the_pattern_of_an_email_judges_as_the_server_does(text: str) -> None:
    validator = jsonschema_rs.validator_for(TypeAdapter(Email).json_schema())
    try:
        taken = TypeAdapter(Email).validate_python(text)
    except ValidationError:
        assert not validator.is_valid(text)
    else:
        assert validator.is_valid(text)
        assert len(taken) <= EMAIL_MAX
        assert TypeAdapter(Email).validate_python(taken) == taken


def test_no_email_has_what_is_not_seen_nor_grows_when_it_is_kept() -> None:
    """Of all characters, by the tables of this Python, which may be newer than the pattern's."""
    for code in {*range(sys.maxunicode + 1)} - {*range(0xD800, 0xE000)}:
        character = chr(code)
        is_unseen = category(character) in ("Cc", "Cf")
        if is_unseen or len(normalize("NFC", character.lower())) > 1:
            assert not re.fullmatch(EMAIL_PATTERN, f"a{character}@b"), hex(code)


def test_what_shows_a_resource_says_where_readers_find_it() -> None:
    docs = DOCUMENT["paths"]["/things"]["post"]["externalDocs"]
    assert docs["url"] == VIEWS_AT + "#/paths/~1things~1%7Bid%7D/get"
    assert "externalDocs" not in DOCUMENT["paths"]["/things"]["get"]


@pytest.mark.parametrize(
    ("route", "names"),
    [
        (ROUTES[0], {"email-taken", "key-reused", "request-in-progress", "outcome-unknown"}),
        (ROUTES[0], {"malformed-json", "body-too-large", "unsupported-media-type"}),
        (ROUTES[1], {"invalid", "unavailable", "method-not-allowed"}),
        (ROUTES[2], {"not-found", "view-behind", "malformed-token"}),
        (ROUTES[5], {"unauthorized", "forbidden"}),
    ],
    ids=lambda value: value.summary if isinstance(value, Route) else None,
)
def test_a_routes_problems_follow_from_what_it_honours(route: Route, names: set[str]) -> None:
    assert names <= set(problems_of(route))
    for name in names:
        response = response_of(route.method, route.path, problems()[name].status)
        assert f"{name}: " in response["description"]


def test_a_key_comes_with_no_other_body_where_there_is_none() -> None:
    without = replace(ROUTES[0], body=None, example=None)

    assert set(problems_of(ROUTES[0])) - set(problems_of(without)) >= {"key-reused"}
    assert "request-in-progress" in problems_of(without)


def response_of(method: str, path: str, status: int) -> Any:
    response = DOCUMENT["paths"][path][method.lower()]["responses"][str(status)]
    return resolved(response["$ref"]) if "$ref" in response else response


def assert_described(method: str, path: str, reply: Reply) -> None:
    """Fail unless status, headers, media type and body are what the document promises."""
    template = re.sub(r"/[0-9]+", "/{id}", path.partition("?")[0])
    response = response_of(method, template, reply.status)
    headers = {
        name: resolved(header["$ref"]) if "$ref" in header else header
        for name, header in response["headers"].items()
    }
    for name, header in headers.items():
        assert name in reply.headers or not header.get("required")
    of_http = {"Content-Type", "Content-Length", "Date", "Server", "Connection"}
    of_http |= {"Cache-Control", "Vary", "X-Content-Type-Options"}
    assert {name.title() for name in reply.headers} <= of_http | {name.title() for name in headers}
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
        ("HEAD", "/things/1", {}, 200),
        ("HEAD", "/things?limit=x", {}, 422),
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
    toy.toy.failure = problems()[name]()
    assert_described("PUT", "/things/1", await toy.ask("PUT", "/things/1", json={"name": "B"}))
