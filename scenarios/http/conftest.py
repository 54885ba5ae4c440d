from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from scenarios.http.toy import Running, running


@pytest_asyncio.fixture
async def toy() -> AsyncIterator[Running]:
    async with running() as api:
        yield api
