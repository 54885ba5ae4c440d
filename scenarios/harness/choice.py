"""The choice of a stack for a test run: `pytest --stack local`.

A test that needs another stack says so by `@pytest.mark.stack("local")` and is deselected unless
it was asked for: counted on screen, never skipped in silence. What was asked for and cannot be had
is an error with its reason.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from functools import partial
from types import FrameType

import pytest

STACKS = ("embedded", "local", "docker", "addresses")
STARTED = ("local", "docker")
"""Those whose servers belong to the run."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("event-driven-kit")
    group.addoption(
        "--stack",
        choices=STACKS,
        default="embedded",
        help="embedded: all in one process (the default). local: real servers without containers,"
        " fetched once and started here. docker: real servers in containers. addresses: the servers"
        " at MYSQL_DSN, KAFKA_BROKERS and MONGO_URI.",
    )
    group.addoption(
        "--database",
        choices=["mysql", "mariadb"],
        default="mysql",
        help="which database --stack local starts",
    )
    group.addoption(
        "--views",
        choices=["mongod", "documentdb", "java"],
        help="what speaks MongoDB's protocol on --stack local; without it, mongod where it is on the"
        " PATH, else, as root, documentdb, else java",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "stack(name): needs this stack, and is deselected when another one is chosen"
    )
    if (stack := config.getoption("--stack")) in STARTED:
        _choose(stack, config.getoption("--database"), config.getoption("--views"))
        # pytest ends in order on Ctrl-C only, and servers must not outlive it.
        signal.signal(signal.SIGTERM, _as_interrupt)


def _choose(stack: str, database: str, views: str | None) -> None:
    """Say which servers will be started. Raises UsageError where they cannot be."""
    from scenarios.harness.servers import (  # noqa: PLC0415 (drivers, for these stacks only)
        LocalServers,
        Missing,
        shared,
    )

    if stack == "local":
        shared.choose(partial(LocalServers, database=database, views=views))
        return
    from scenarios.harness.servers.containers import (  # noqa: PLC0415 (and testcontainers)
        ContainerServers,
        need_engine,
    )

    if database != "mysql" or views is not None:
        asked = views or database
        raise pytest.UsageError(f"--stack docker has no {asked}; --stack local has")
    try:
        need_engine()
    except Missing as missing:
        raise pytest.UsageError(f"--stack docker: {missing}") from None
    shared.choose(ContainerServers)


def _as_interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = config.getoption("--stack")
    left_out = [item for item in items if not _is_for(item, chosen)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _is_for(item, chosen)]


def _is_for(item: pytest.Item, chosen: str) -> bool:
    mark = item.get_closest_marker("stack")
    return mark is None or chosen in mark.args


def pytest_report_header(config: pytest.Config) -> str:
    return f"stack: {config.getoption('--stack')}"


@pytest.fixture(scope="session", autouse=True)
async def _stop_servers(pytestconfig: pytest.Config) -> AsyncIterator[None]:
    yield
    if pytestconfig.getoption("--stack") in STARTED:
        from scenarios.harness.servers import shared  # noqa: PLC0415 (drivers, for this stack only)

        await shared.stop()
