"""What several contracts are given: a running system."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator, Iterator

import pytest
import structlog

from contracts import event_archive
from scenarios.harness.stack import Stack, StackOptions, embedded


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("contracts")
    group.addoption(
        "--schemathesis-examples",
        type=int,
        default=2,
        metavar="N",
        help="generated requests per operation and phase; 2 by default",
    )
    group.addoption(
        "--schemathesis-seed",
        type=int,
        default=1,
        metavar="N",
        help="what generated requests begin from; 1 by default",
    )
    group.addoption(
        "--schemathesis-accepted",
        type=int,
        default=4,
        metavar="N",
        help="good requests that each operation must have accepted; 4 by default",
    )


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Say what a change of a model means, also where stories do not fit it and no test can begin."""
    report = yield
    if report.failed and (found := event_archive.objections()):
        report.sections.append(("the events and their published versions", found))
    return report


@pytest.fixture(scope="session")
async def _system() -> AsyncIterator[Stack]:
    async with embedded(StackOptions()) as stack:
        # an order's number is never its user's or product's: keys can be told apart
        await stack.given.user()
        await stack.given.product()
        yield stack


@pytest.fixture
def system(quiet: None, _system: Stack) -> Stack:  # noqa: ARG001 (wanted for what it does)
    """All eight roles, on the embedded parts. It is shared: take users and products of your own."""
    return _system


@pytest.fixture
def quiet() -> Iterator[None]:
    """Let no log be written but of errors."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("error"),
        cache_logger_on_first_use=False,
    )
    yield
    structlog.configure(**before)
