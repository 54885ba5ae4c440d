"""What shoppers would do anew once everything is healed waits: a recovery is not theirs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import aiohttp

from chaos.kit.history import History
from chaos.real.flow import Flow
from chaos.real.shoppers import PRODUCTS, SHOPPERS, USERS, World

FAST = 1_000.0
"""Orders a second: the first handful is more than there are shoppers."""


class Unanswered:
    """A session whose requests begin, and never end."""

    def __init__(self) -> None:
        self.begun: set[str] = set()

    @asynccontextmanager
    async def request(self, *_: object, data: bytes, **__: object) -> AsyncIterator[Any]:
        self.begun.add(data.decode())
        await asyncio.Event().wait()
        yield


@asynccontextmanager
async def flowing(session: Unanswered) -> AsyncIterator[Flow]:
    world = World(list(range(USERS)), list(range(PRODUCTS)))
    flow = Flow(1, world, "http://{}".format, cast("aiohttp.ClientSession", session), History())
    try:
        yield flow
    finally:
        await flow.stop()


async def test_what_waits_for_a_shopper_is_taken_back() -> None:
    session = Unanswered()
    async with flowing(session) as flow:
        async with flow.at(FAST, leaves=False):
            while len(session.begun) < SHOPPERS:
                await asyncio.sleep(0)
            assert flow.handed_out > SHOPPERS
        assert flow.handed_out == SHOPPERS


async def test_what_a_shopper_has_in_hand_is_sent_later_while_writes_are_held() -> None:
    session = Unanswered()
    async with flowing(session) as flow:
        with flow.held():
            async with flow.at(FAST, leaves=False):
                for _ in range(1_000):
                    await asyncio.sleep(0)
            assert flow.handed_out == SHOPPERS
            assert not session.begun
        while len(session.begun) < SHOPPERS:
            await asyncio.sleep(0)
