"""The work suite, bound to every write model."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from contracts.ports.bindings import WORKS, WorkBench, WorkBinding
from contracts.ports.work_suite import WorkSuite


@pytest.fixture(
    params=[pytest.param(b, id=b.name, marks=pytest.mark.stack(*b.stacks)) for b in WORKS]
)
def binding(request: pytest.FixtureRequest) -> WorkBinding:
    found = request.param
    assert isinstance(found, WorkBinding)
    return found


@pytest.fixture
async def bench(binding: WorkBinding) -> AsyncIterator[WorkBench]:
    async with binding.open() as opened:
        yield opened


class TestWork(WorkSuite):
    """Every case of the suite."""
