"""Thirty times what the test command asks, by other seeds, and of each role whatever it describes."""

from __future__ import annotations

import pytest

from contracts.http.running import evidence
from contracts.kit.openapi import Budget

pytestmark = pytest.mark.outside


@pytest.mark.parametrize(("seed", "everywhere"), [(2, True), (3, False)])
@pytest.mark.usefixtures("quiet")
async def test_nothing_is_unlike_the_documents(seed: int, everywhere: bool) -> None:
    seen = await evidence(Budget(examples=60, seed=seed), accepted_min=50, everywhere=everywhere)
    assert seen.failures() == []
    assert seen.unlike == []
    assert seen.few() == []
    assert seen.holes() == []
    assert seen.not_followed() == []
