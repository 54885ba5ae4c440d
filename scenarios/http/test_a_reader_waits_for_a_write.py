"""A reader that sends a token waits for that write, in whichever generation is read by then."""

from __future__ import annotations

import asyncio

import pytest

from scenarios.delivery.bench import bench, in_virtual_time
from system.kit.errors import Refused
from system.kit.ports.views import Generations, Put, ViewStore
from system.kit.views.freshness import POLL_MAX_S, POLL_SHARE, WAIT_S, Freshness
from system.table import VIEWS

ONE = Generations(live=1, last=1)
BOTH = Generations(live=1, building=2, last=2)
TWO = Generations(live=2, last=2)
TOKEN = "users/7.self@2"


async def show(store: ViewStore, generation: int, version: int) -> None:
    ada = {"id": 7, "name": "Ada"}
    await store.generation(generation).put([Put("users", 7, "self", version, ada)])


@in_virtual_time
async def test_who_waits_across_a_switch_is_answered_by_the_generation_that_came() -> None:
    loop = asyncio.get_running_loop()
    async with bench() as it:
        store = it.parts.views
        assert await store.switch(Generations(), ONE)
        await show(store, generation=1, version=1)
        reading = asyncio.create_task(Freshness(store, VIEWS).views_for(TOKEN))

        assert await store.switch(ONE, BOTH)
        await show(store, generation=2, version=2)
        await asyncio.sleep(WAIT_S / 2)
        assert not reading.done(), "what is only being built is not read"

        freeze = await store.freeze(1, WAIT_S)
        assert await store.switch(BOTH, TWO, freeze=freeze)
        switched_at = loop.time()
        views = await reading
        assert loop.time() - switched_at <= POLL_MAX_S
        assert (await views.get("users", [7]))[7].versions == {"self": 2}


@in_virtual_time
async def test_who_waits_is_answered_soon_after_the_view_shows_the_write() -> None:
    loop = asyncio.get_running_loop()
    async with bench() as it:
        store = it.parts.views
        assert await store.switch(Generations(), ONE)
        reading = asyncio.create_task(Freshness(store, VIEWS).views_for(TOKEN))

        await asyncio.sleep(0.08)
        await show(store, generation=1, version=2)
        await reading
        assert 0.08 <= loop.time() <= 0.08 * (1 + 1 / POLL_SHARE)


@in_virtual_time
async def test_who_has_waited_for_long_enough_is_told_that_the_view_is_behind() -> None:
    loop = asyncio.get_running_loop()
    async with bench() as it:
        store = it.parts.views
        assert await store.switch(Generations(), ONE)
        await show(store, generation=1, version=1)
        with pytest.raises(Refused, match="view-behind"):
            await Freshness(store, VIEWS).views_for(TOKEN)
        assert WAIT_S - POLL_MAX_S <= loop.time() <= WAIT_S
