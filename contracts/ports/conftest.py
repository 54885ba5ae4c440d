from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from contracts.ports.databases import Database
from scenarios.harness.servers import DATABASES, shared
from system.kit.adapters.sql.work import create_tables


@pytest.fixture
async def complaints() -> AsyncIterator[list[str]]:
    """What asyncio says of failures that nobody has looked at."""
    loop, heard = asyncio.get_running_loop(), list[str]()
    loop.set_exception_handler(
        lambda _, context: heard.append(f"{context['message']}: {context.get('exception')!r}")
    )
    yield heard
    gc.collect()
    loop.set_exception_handler(None)


@pytest.fixture(params=sorted(DATABASES))
async def empty(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """A database without tables."""
    sql = await shared.database(request.param)
    async with sql.server.scratch() as name:
        database = Database(sql, name, [])
        yield database
        await database.heal()
        for engine in database.engines:
            await engine.dispose()


@pytest.fixture
async def database(empty: Database) -> Database:
    await create_tables(empty.engine())
    return empty
