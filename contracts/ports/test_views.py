"""The view suite, bound to every view store."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from contracts.ports.bindings import VIEWS, ViewsBinding
from contracts.ports.views_suite import ViewsSuite
from system.kit.ports.views import ViewStore


@pytest.fixture(
    params=[pytest.param(b, id=b.name, marks=pytest.mark.stack(*b.stacks)) for b in VIEWS]
)
def binding(request: pytest.FixtureRequest) -> ViewsBinding:
    found = request.param
    assert isinstance(found, ViewsBinding)
    return found


@pytest.fixture
async def store(binding: ViewsBinding) -> AsyncIterator[ViewStore]:
    async with binding.open() as opened:
        yield opened


class TestViews(ViewsSuite):
    """Every case of the suite."""
