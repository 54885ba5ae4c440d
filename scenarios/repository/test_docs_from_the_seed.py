"""docs/from-the-seed.md leaves nothing of the original out, and what it says here is here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from sqlalchemy import Table

from scenarios.harness.stack import Stack
from scenarios.repository.markdown import ROOT, Page, commands
from scenarios.repository.typed_commands import check
from system.__main__ import PROGRAM
from system.events import TOPICS
from system.kit.columns import metadata
from system.kit.command import chosen
from system.kit.skeleton.accounts import accounts
from system.roles import ROLES
from system.settings import Settings
from system.table import VIEWS

PATH = ROOT / "docs" / "from-the-seed.md"
PAGE = Page(PATH, PATH.read_text(encoding="utf-8"))
SERVICES, CALLS, TOPIC_TABLE, TABLES, COLUMNS, SETTINGS, TARGETS, *_ = PAGE.tables

# What the original has, by its own documentation.

SEED_CALLS = """
POST /users;    GET /users;    GET /users/{id};    PUT /users/{id};    DELETE /users/{id}
POST /products; GET /products; GET /products/{id}; PUT /products/{id}; DELETE /products/{id}
POST /orders;   GET /orders;   GET /orders/{id};   PUT /orders/{id};   DELETE /orders/{id}
POST /orders/{id}/pay; POST /orders/{id}/cancel; GET /healthz
GET /orders on 8084; GET /products on 8084; GET /users on 8084
"""
SEED_TOPICS = """
user.created user.updated product.created product.updated stock.reserved stock.released
order.created order.paid order.canceled
"""
SEED_TABLES = "users products orders order_products outbox processed_events"
SEED_SETTINGS = (
    "ENV MYSQL_DSN MONGO_URI KAFKA_BROKERS OUTBOX_POLL_INTERVAL PORT SERVICE_NAME".split()
)
SEED_TARGETS = """
up down logs restart run-all run-apis run-consumers run-user-api run-product-api run-order-api
run-query-service run-user-consumer run-product-consumer run-order-consumer clean deps build
test lint coverage
"""


def spans(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def first_spans(table: Mapping[str, Any]) -> list[str]:
    return [span for cell in table for span in spans(cell)[:1]]


def calls(text: str) -> list[str]:
    return [" ".join(call.split()) for call in re.split(r"[;\n]", text) if call.strip()]


# --- the lists ------------------------------------------------------------------------------------


def test_every_call_of_the_original_is_listed() -> None:
    assert sorted(cell.replace("`", "") for cell in CALLS) == sorted(calls(SEED_CALLS))


def test_every_topic_of_the_original_is_listed_and_is_one_here() -> None:
    """What is new may stand beside them, with the reason; the map has them all."""
    as_there = [span for span, line in TOPIC_TABLE.items() if line[""] == "as there"]

    assert set(spans(" ".join(as_there))) == set(SEED_TOPICS.split())
    assert set(first_spans(TOPIC_TABLE)) <= set(TOPICS)


def test_every_table_is_listed_and_those_of_the_original_are_not_called_new() -> None:
    old = [name for name, line in TABLES.items() if not line[""].startswith("new")]

    ours = metadata.tables.keys() - {accounts.name}  # of the kit's example, where it was loaded
    assert sorted(first_spans(TABLES)) == sorted(ours)
    assert sorted(spans(" ".join(old))) == sorted(SEED_TABLES.split())


@pytest.mark.parametrize(("table", "columns"), COLUMNS.items())
def test_a_table_has_the_columns_of_the_original(table: str, columns: Mapping[str, str]) -> None:
    (name,) = spans(table)
    here: Table = metadata.tables[name]

    assert set(spans(columns["columns of the original"])) <= set(here.columns.keys())


def test_every_setting_of_the_original_is_listed_and_is_one_here() -> None:
    here = {str(field.validation_alias) for field in Settings.model_fields.values()}

    assert first_spans(SETTINGS) == SEED_SETTINGS
    assert set(SEED_SETTINGS) <= here


def test_the_views_of_the_original_are_views_here() -> None:
    assert {view.name for view in VIEWS} == {"users", "products", "orders"}


def test_every_role_is_listed_with_its_port() -> None:
    listed = {spans(line["here"])[0]: int(line["port"]) for line in SERVICES.values()}

    assert listed == {spec.name: spec.port for spec in ROLES}


def test_every_make_target_is_listed() -> None:
    assert sorted(first_spans(TARGETS)) == sorted(f"make {name}" for name in SEED_TARGETS.split())


@pytest.mark.parametrize(
    "command",
    [
        span
        for line in TARGETS.values()
        for span in spans(line["here"])
        if span.startswith(("python ", "tox", "pip "))
    ],
)
def test_the_command_for_a_make_target_would_run(command: str) -> None:
    (words,) = commands(command)

    check(words)
    if words[:3] == ["python", "-m", "system"]:
        assert chosen(PROGRAM, words[3:])  # the parser takes any word for a role


# --- the calls ------------------------------------------------------------------------------------

USER = {"name": "João Silva", "email": "joao@example.com"}
PRODUCT = {"name": "iPhone 15", "price": 5999.99, "stock": 10}
ORDER: dict[str, Any] = {
    "user_id": 1,
    "items": [{"product_id": 1, "quantity": 2, "unit_price": 5999.99}],
}

EXAMPLES: Sequence[tuple[str, str, Any, int]] = (
    ("user-api", "POST /users", USER, 201),
    ("user-api", "GET /users", None, 200),
    ("user-api", "GET /users/1", None, 200),
    (
        "user-api",
        "PUT /users/1",
        {"name": "João Silva Atualizado", "email": "joao.novo@example.com"},
        200,
    ),
    ("user-api", "DELETE /users/1", None, 204),
    ("product-api", "POST /products", PRODUCT, 201),
    ("product-api", "GET /products", None, 200),
    ("product-api", "GET /products/1", None, 200),
    ("product-api", "PUT /products/1", {"price": 5499.99, "stock": 15}, 200),
    ("product-api", "DELETE /products/1", None, 204),
    # the original's examples go on with what they have just deleted
    ("user-api", "POST /users", USER, 201),
    ("product-api", "POST /products", PRODUCT, 201),
    ("order-api", "POST /orders", ORDER, 201),
    ("order-api", "GET /orders", None, 200),
    ("order-api", "GET /orders/1", None, 200),
    ("order-api", "PUT /orders/1", {"status": "PROCESSING"}, 200),
    ("order-api", "POST /orders/1/pay", {"payment_method": "credit_card"}, 200),
    # an order that is processed and paid is not for the client to cancel; a new one is
    ("order-api", "POST /orders", ORDER, 201),
    ("order-api", "POST /orders/2/cancel", {"reason": "Cliente solicitou cancelamento"}, 200),
    ("order-api", "DELETE /orders/1", None, 204),
    ("query-api", "GET /orders", None, 200),
    ("query-api", "GET /products", None, 200),
    ("query-api", "GET /users", None, 200),
    ("user-api", "GET /healthz", None, 200),
    ("product-api", "GET /healthz", None, 200),
    ("order-api", "GET /healthz", None, 200),
    ("query-api", "GET /healthz", None, 200),
)


def test_the_examples_leave_no_call_out() -> None:
    sent = {
        re.sub(r"/\d+", "/{id}", call) + (" on 8084" if role == "query-api" else "")
        for role, call, *_ in EXAMPLES
    }

    assert sent - {"GET /healthz on 8084"} == set(calls(SEED_CALLS))


async def test_every_call_of_the_original_is_answered(own_stack: Stack) -> None:
    ids: dict[str, list[int]] = {"users": [], "products": [], "orders": []}

    for role, call, body, status in EXAMPLES:
        method, path = call.split()
        answer = await own_stack.client.ask(
            role, method, _renumbered(path, ids), _referring(body, ids)
        )

        assert (call, answer.status) == (call, status), answer.body
        if status == 201:
            ids[path.strip("/")].append(answer.id)


def _renumbered(path: str, ids: Mapping[str, list[int]]) -> str:
    """An id in a path is the number of the example: here ids are never given twice."""
    match path.split("/"):
        case ["", plural, number, *rest] if number.isdigit():
            return "/".join(["", plural, str(ids[plural][int(number) - 1]), *rest])
        case _:
            return path


def _referring(body: Any, ids: Mapping[str, list[int]]) -> Any:
    """An order of the user and the product that are there."""
    if body is not ORDER:
        return body
    (item,) = ORDER["items"]
    return {"user_id": ids["users"][-1], "items": [{**item, "product_id": ids["products"][-1]}]}
