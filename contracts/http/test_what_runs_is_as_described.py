"""The running system keeps its OpenAPI documents: schemathesis looks for what is unlike them.

`--schemathesis-examples N` asks more, `--schemathesis-seed N` something else; more of both is in
`tox -e contracts-outside`.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import pytest_asyncio

from contracts.http.documents import committed
from contracts.http.running import Evidence, evidence
from contracts.http.shown import SHOWN
from contracts.http.widened import WIDENED
from contracts.kit import openapi
from contracts.kit.openapi import Budget
from system.kit.errors import problems
from system.roles import ROLES

ROOT = Path(__file__).parents[2]
NAMED = [row.elsewhere for row in SHOWN if row.elsewhere]


@pytest_asyncio.fixture(scope="session")
async def _seen(pytestconfig: pytest.Config) -> Evidence:
    """What was seen; looked for once, by the first test that asks."""
    budget = Budget(
        pytestconfig.getoption("--schemathesis-examples"),
        pytestconfig.getoption("--schemathesis-seed"),
    )
    accepted_min = pytestconfig.getoption("--schemathesis-accepted")
    return await evidence(budget, accepted_min=accepted_min, everywhere=False)


@pytest.fixture
def seen(quiet: None, request: pytest.FixtureRequest) -> Evidence:  # noqa: ARG001 (for what it does)
    found: Evidence = request.getfixturevalue("_seen")
    return found


async def test_no_answer_is_unlike_the_document(seen: Evidence) -> None:
    assert seen.failures() == []


async def test_no_answer_of_a_scenario_is_unlike_the_document(seen: Evidence) -> None:
    assert sum(answers.total() for answers in seen.shown.values()) > 100
    assert seen.unlike == []


async def test_every_operation_has_accepted_many_requests(seen: Evidence) -> None:
    hint = "say in `ready` of things.py with what such a call succeeds"
    assert seen.few() == [], hint


async def test_every_answer_that_is_described_was_seen(seen: Evidence) -> None:
    hint = "say in `ready` of things.py what brings it about, or add a scenario to shown.py"
    assert seen.holes() == [], hint


async def test_no_operation_is_left_out(seen: Evidence) -> None:
    asked = {
        label for document in seen.documents.values() for label, _ in openapi.operations(document)
    }
    described = {label for spec in ROLES for label, _ in openapi.operations(committed(spec.name))}
    assert asked == described


async def test_links_are_followed(seen: Evidence) -> None:
    assert any(tally.followed for tally in seen.tallies.values())
    assert seen.not_followed() == []


def test_each_problem_has_a_row() -> None:
    assert {row.problem for row in SHOWN} == problems().keys()


@pytest.mark.parametrize("named", NAMED)
def test_a_test_that_is_named_is_there(named: str) -> None:
    path, name = named.split("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, functions)}


def test_the_docs_show_each_widened_expectation_with_its_reason() -> None:
    page = (ROOT / "docs" / "openapi.md").read_text(encoding="utf-8")
    for one in WIDENED:
        assert f"| {one.what} | `{one.check.__name__}` | {one.reason} |" in page
