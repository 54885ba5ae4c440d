"""A role that starts waits for the stores that it cannot work without, and for no other."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from system.kit import process, stacks
from system.kit.errors import Unavailable
from system.kit.lifespan import Lifespan
from system.roles import ROLES
from system.settings import Settings
from system.table import SHOP

TABLES, TOPICS = "tables", "topics"
NEEDS = {
    "user-api": {TABLES},
    "product-api": {TABLES},
    "order-api": {TABLES},
    "query-api": set(),
    "user-consumer": {TABLES, TOPICS},
    "product-consumer": {TABLES, TOPICS},
    "order-consumer": {TABLES, TOPICS},
    "query-consumer": {TOPICS},
}


class Away:
    """Stores that are away, and who has asked for them."""

    def __init__(self) -> None:
        self.missed: set[str] = set()
        self.asked = False

    async def __call__(
        self, *, tables: bool = True, topics: bool = True, shows: bool = True
    ) -> None:
        assert tables or shows
        wanted = {TABLES} if tables else set()
        wanted |= {TOPICS} if topics else set()
        self.missed |= wanted
        self.asked = True
        if wanted:
            raise Unavailable("nobody is there")


async def missed(*names: str) -> set[str]:
    """What these roles wait for, if nothing is there."""
    away, lifespan = Away(), Lifespan()
    async with stacks.embedded(Settings(), SHOP.all_topics) as parts:
        prepared = process.prepared(
            [SHOP.role(name) for name in names], replace(parts, prepare=away), lifespan
        )
        preparing = asyncio.create_task(prepared)
        while not away.asked:
            await asyncio.sleep(0)
        lifespan.stopping.set()
        await preparing
    return away.missed


def test_every_role_is_here() -> None:
    assert NEEDS.keys() == {spec.name for spec in ROLES}


@pytest.mark.parametrize("name", NEEDS)
async def test_it_waits_for(name: str) -> None:
    assert await missed(name) == NEEDS[name]


async def test_a_process_of_several_waits_for_what_any_of_them_needs() -> None:
    assert await missed("query-api", "order-api") == {TABLES}
    assert await missed("order-api", "query-consumer") == {TABLES, TOPICS}
