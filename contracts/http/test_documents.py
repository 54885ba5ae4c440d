"""The committed OpenAPI documents: valid, whole, and each reference leads somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from contracts.http.documents import Document, committed
from system.roles import ROLES

NAMES = [spec.name for spec in ROLES]
DOCUMENTS = {name: committed(name) for name in NAMES}


def operations(document: Document) -> Iterator[dict[str, Any]]:
    for methods in document["paths"].values():
        yield from methods.values()


@pytest.mark.parametrize("name", NAMES)
def test_a_document_is_openapi_3_1(name: str) -> None:
    document = DOCUMENTS[name]
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    assert "jsonSchemaDialect" not in document  # tools warn of any but their own


@pytest.mark.parametrize("name", NAMES)
def test_every_success_says_what_it_answers(name: str) -> None:
    for methods in DOCUMENTS[name]["paths"].values():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                if status.startswith("2"):
                    has_no_body = method == "head" or status == "204"
                    assert ("content" in response) != has_no_body, operation["operationId"]


@pytest.mark.parametrize("name", NAMES)
def test_every_tag_is_explained(name: str) -> None:
    explained = {tag["name"] for tag in DOCUMENTS[name]["tags"] if tag["description"]}
    used = {tag for operation in operations(DOCUMENTS[name]) for tag in operation["tags"]}
    assert used == explained


@pytest.mark.parametrize("name", ["user-api", "product-api", "order-api"])
def test_the_write_side_leads_to_its_view_on_the_query_side(name: str) -> None:
    urls = {
        operation["externalDocs"]["url"]
        for operation in operations(DOCUMENTS[name])
        if "externalDocs" in operation
    }
    assert urls
    for url in urls:
        address, pointer = url.split("#/")
        port = next(spec.port for spec in ROLES if spec.name == "query-api")
        assert address == f"http://localhost:{port}/openapi.json"
        found: Any = DOCUMENTS["query-api"]
        for step in pointer.split("/"):
            found = found[step.replace("~1", "/").replace("%7B", "{").replace("%7D", "}")]
        assert found["operationId"].endswith("_by_id")


@pytest.mark.parametrize("name", ["user-api", "product-api", "order-api"])
def test_creating_leads_to_all_that_can_be_done_next(name: str) -> None:
    plural = name.removesuffix("-api") + "s"
    document = DOCUMENTS[name]
    links = document["paths"][f"/{plural}"]["post"]["responses"]["201"]["links"]
    by_id = {
        operation["operationId"]
        for path, methods in document["paths"].items()
        if path.startswith(f"/{plural}/{{id}}")
        for method, operation in methods.items()
        if method != "head"
    }
    assert links.keys() == by_id


def test_a_dead_letter_is_asked_for_by_a_known_topic() -> None:
    (topic,) = (
        each["schema"]
        for each in DOCUMENTS["order-consumer"]["paths"]["/admin/dead-letters"]["get"]["parameters"]
        if each["name"] == "topic"
    )
    assert "order.created" in topic["enum"]
