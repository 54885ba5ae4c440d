from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _quiet(quiet: None) -> None:
    """Consumers tell of what they do."""
