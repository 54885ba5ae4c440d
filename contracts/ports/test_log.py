"""The log suite, bound to every log."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from contracts.ports.bindings import LOGS, LogBench, LogBinding
from contracts.ports.log_suite import LogSuite


@pytest.fixture(
    params=[pytest.param(b, id=b.name, marks=pytest.mark.stack(*b.stacks)) for b in LOGS]
)
def binding(request: pytest.FixtureRequest) -> LogBinding:
    found = request.param
    assert isinstance(found, LogBinding)
    return found


@pytest.fixture
async def bench(binding: LogBinding) -> AsyncIterator[LogBench]:
    async with binding.open() as opened:
        yield opened


class TestLog(LogSuite):
    """Every case of the suite."""
