from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.pool import Pool, QueuePool

from contracts.ports.databases import Database
from scenarios.harness.servers import DATABASES, shared
from system.kit.adapters.sql.work import create_tables

WITHIN_S = 60.0
"""No promise: the bound of a wait that would never end."""


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
            await _given_back(engine.pool)
            await engine.dispose()


async def _given_back(pool: Pool) -> None:
    """A request that is refused at its deadline gives its connection back after the answer.

    What comes back to a pool that is gone is closed by nothing.
    """
    async with asyncio.timeout(WITHIN_S):
        while isinstance(pool, QueuePool) and pool.checkedout():
            await asyncio.sleep(0.01)


@pytest.fixture
async def database(empty: Database) -> Database:
    await create_tables(empty.engine())
    return empty
