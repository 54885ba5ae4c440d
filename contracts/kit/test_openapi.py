"""The judge of HTTP answers says what is unlike a document, and names the place."""

from __future__ import annotations

import pytest

from contracts.kit.openapi import Answer, Judge, Promise, links, only, promised

PROBLEM = {
    "type": "object",
    "properties": {"type": {"type": "string"}},
    "required": ["type"],
}
DOCUMENT = {
    "paths": {
        "/things": {
            "post": {
                "operationId": "make",
                "responses": {
                    "201": {
                        "headers": {
                            "Location": {
                                "required": True,
                                "schema": {"pattern": "^/things/[0-9]+$"},
                            }
                        },
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}
                        },
                        "links": {"show": {"operationId": "show"}},
                    },
                    "409": {"$ref": "#/components/responses/taken"},
                },
            },
        },
        "/things/{id}": {
            "get": {"operationId": "show", "responses": {"204": {"description": "there"}}}
        },
    },
    "components": {
        "schemas": {
            "Thing": {"type": "object", "properties": {"id": {"type": "integer"}}},
            "Problem": PROBLEM,
        },
        "responses": {
            "taken": {
                "content": {
                    "application/problem+json": {
                        "schema": {
                            "allOf": [
                                {"$ref": "#/components/schemas/Problem"},
                                {"properties": {"type": {"enum": ["/problems/taken"]}}},
                            ]
                        }
                    }
                }
            }
        },
    },
}
GOOD = {"Location": "/things/1", "Content-Type": "application/json"}
OF_PROBLEM = {"Content-Type": "application/problem+json"}


@pytest.mark.parametrize(
    ("answer", "difference"),
    [
        (Answer(201, GOOD, b'{"id": 1}'), None),
        (Answer(201, GOOD, b'{"id": 1, "more": 2}'), "'more' was unexpected"),
        (Answer(201, GOOD, b'{"id": "1"}'), '"1" is not of type "integer"'),
        (Answer(201, {**GOOD, "Location": "1"}, b"{}"), "the header location is '1'"),
        (Answer(201, {**GOOD, "X-More": "1"}, b"{}"), "the header x-more is not described"),
        (
            Answer(201, {"Content-Type": "application/json"}, b"{}"),
            "the header location is missing",
        ),
        (Answer(201, {**GOOD, "Content-Type": "text/plain"}, b"{}"), "media type 'text/plain'"),
        (Answer(200, GOOD, b"{}"), "200 is not described"),
        (Answer(409, OF_PROBLEM, b'{"type": "/problems/taken"}'), None),
        (Answer(409, OF_PROBLEM, b'{"type": "/problems/other"}'), "/problems/other"),
    ],
)
def test_it_names_the_difference(answer: Answer, difference: str | None) -> None:
    found = Judge(DOCUMENT).unlike("POST /things", answer)
    if difference is None:
        assert found == []
    else:
        (only_one,) = found
        assert only_one.startswith("POST /things")
        assert difference in only_one


def test_an_answer_without_a_body_has_none() -> None:
    judge = Judge(DOCUMENT)
    assert judge.unlike("GET /things/{id}", Answer(204, {}, b"")) == []
    (difference,) = judge.unlike("GET /things/{id}", Answer(204, {}, b"x"))
    assert "a body is not described" in difference


def test_a_promise_is_a_status_and_of_a_refusal_its_problem() -> None:
    assert set(promised(DOCUMENT)) == {
        Promise("POST /things", 201),
        Promise("POST /things", 409, "/problems/taken"),
        Promise("GET /things/{id}", 204),
    }


def test_links_lead_from_operation_to_operation_and_none_dangles_in_a_part() -> None:
    assert set(links(DOCUMENT)) == {("POST /things", "GET /things/{id}")}
    assert set(links(only(DOCUMENT, ["POST /things"]))) == set()
