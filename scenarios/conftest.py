"""What scenarios are given: a system that runs, shared or their own; and their history when they fail.

`stack` is shared by all scenarios of a run: they use fresh users and products and harm nobody.
One that injects faults, stops or kills takes `own_stack`, or asks `stacks` for one as it needs it.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractAsyncContextManager

import pytest
import structlog

from scenarios.harness import stack as harness
from scenarios.harness.settled import DEADLINE_ON_SERVERS_S, wait_at_most
from scenarios.harness.stack import ABILITIES, STACKS, Stack, StackOptions

StartStack = Callable[[StackOptions], AbstractAsyncContextManager[Stack]]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "needs(*abilities): what the stack must be able to do: faults, kills, stops, handlers, data",
    )
    config.addinivalue_line(
        "markers", "any_stack: runs on whichever stack is chosen; whatever takes one has this mark"
    )


def pytest_itemcollected(item: pytest.Item) -> None:
    if "_start" in getattr(item, "fixturenames", ()):
        item.add_marker("any_stack")
        if _chosen(item.config) != "embedded":
            # Who is killed closes nothing: that is no leak, whenever it is collected.
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    harness.recent.clear()
    missing = _missing(item)
    if missing:
        pytest.skip(f"not applicable: {_chosen(item.config)} has no {', '.join(missing)}")


def _missing(item: pytest.Item) -> list[str]:
    wanted = {ability for mark in item.iter_markers("needs") for ability in mark.args}
    return sorted(wanted - ABILITIES.get(_chosen(item.config), frozenset()))


def _chosen(config: pytest.Config) -> str:
    return str(config.getoption("--stack", "embedded"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A scenario that failed tells what was asked, which events flowed, what the views hold."""
    report = yield
    if report.failed and call.when == "call":
        for number, stack in enumerate(harness.recent, 1):
            report.sections.append((f"history of stack {number}", _history(stack)))
    return report


def _history(stack: Stack) -> str:
    """Asked for in the stack's own loop, which stands still between the phases of a test."""
    return stack.loop.run_until_complete(stack.history.text())


@pytest.fixture
def _quiet_log() -> Iterator[None]:
    """Warnings and errors alone, as JSON: what pytest shows of a scenario that failed."""
    before = structlog.get_config()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(),
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("warning"),
        cache_logger_on_first_use=False,
    )
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
async def _start(request: pytest.FixtureRequest) -> AsyncIterator[StartStack]:
    chosen = _chosen(request.config)
    on_servers = chosen != "embedded"
    if on_servers:
        wait_at_most(DEADLINE_ON_SERVERS_S)
    yield STACKS[chosen]
    if on_servers:
        from scenarios.harness.namespace import places  # noqa: PLC0415 (drivers, for servers only)

        await places.drop()
        gc.collect()  # while what was killed may still be collected in silence


@pytest.fixture(scope="session")
async def _shared_stack(_start: StartStack) -> AsyncIterator[Stack]:
    async with _start(StackOptions()) as stack:
        yield stack


@pytest.fixture
def stacks(_start: StartStack, _quiet_log: None) -> StartStack:
    """Starts a stack of the kind that this run was asked for."""
    return _start


@pytest.fixture
async def stack(_quiet_log: None, _shared_stack: Stack) -> Stack:
    """The system that all scenarios of a run share."""
    await _shared_stack.history.begin()
    harness.recent.append(_shared_stack)
    return _shared_stack


@pytest.fixture
async def own_stack(stacks: StartStack) -> AsyncIterator[Stack]:
    """A system for this scenario alone."""
    async with stacks(StackOptions()) as stack:
        yield stack
