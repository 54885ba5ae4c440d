"""Orders that flow at a steady pace while a scenario wants them to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import aiohttp

from chaos.kit.history import History
from chaos.real import shoppers
from chaos.real.clients import Where
from chaos.real.shoppers import Basket, Shopper, World

DONE_S = 120.0
"""Longer than a shopper looks for what it wrote, and sends again what was refused."""
TURN_S = 0.5


class Flow:
    """Shoppers who wait for baskets. They are handed out at a pace, or not at all."""

    def __init__(
        self,
        seed: int,
        world: World,
        where: Where,
        session: aiohttp.ClientSession,
        history: History,
    ) -> None:
        self.handed_out = 0
        self._baskets = baskets(seed)
        self._waiting: asyncio.Queue[Basket] = asyncio.Queue()
        self._idle = 0
        self._changed = asyncio.Condition()
        self._may_write = asyncio.Event()
        self._may_write.set()
        shopper = Shopper(world, where, session, history, self._may_write)
        self._shoppers = [
            asyncio.create_task(shopper.shop(self, lambda *_: None))
            for _ in range(shoppers.SHOPPERS)
        ]

    async def next(self) -> Basket:
        """A shopper is done with its last basket, and wants another."""
        await self._count(+1)
        basket = await self._waiting.get()
        await self._count(-1)
        return basket

    async def _count(self, change: int) -> None:
        async with self._changed:
            self._idle += change
            self._changed.notify_all()

    @asynccontextmanager
    async def at(self, per_s: float, *, leaves: bool = True) -> AsyncIterator[None]:
        """Hand out so many baskets a second meanwhile; none who leaves before the answer, perhaps."""
        handing_out = asyncio.create_task(self._hand_out(per_s, leaves))
        try:
            yield
        finally:
            handing_out.cancel()
            self._take_back()

    @contextmanager
    def held(self) -> Iterator[None]:
        """No shopper sends a write meanwhile; what has been sent is answered.

        While everything was away, 64 shoppers were refused. They place their orders once it is back,
        and pay for them, and cancel them: new work for seconds, however quickly the old was done.
        """
        self._may_write.clear()
        try:
            yield
        finally:
            self._may_write.set()

    def _take_back(self) -> None:
        """What no shopper has begun is no order any more.

        All shoppers wait for an event that a dead relay has not sent; ten more baskets come each second.
        Placed after the repair, they would be work that the recovery seems to take.
        """
        while not self._waiting.empty():
            self._waiting.get_nowait()
            self.handed_out -= 1

    async def _hand_out(self, per_s: float, leaves: bool) -> None:
        while True:
            for _ in range(max(1, round(per_s * TURN_S))):
                basket = next(self._baskets)
                self.handed_out += 1
                self._waiting.put_nowait(replace(basket, leaves=basket.leaves and leaves))
            await asyncio.sleep(TURN_S)

    async def done(self, within_s: float = DONE_S) -> list[str]:
        """Wait until every basket is through; what is not, if that takes too long."""
        try:
            async with asyncio.timeout(within_s), self._changed:
                await self._changed.wait_for(self._is_done)
        except TimeoutError:
            busy = len(self._shoppers) - self._idle
            return [f"{busy} shoppers are not done, {within_s:g} s after the last basket"]
        return []

    def _is_done(self) -> bool:
        for task in self._shoppers:
            if task.done() and not task.cancelled() and (broken := task.exception()) is not None:
                raise broken
        return self._waiting.empty() and self._idle == len(self._shoppers)

    async def stop(self) -> None:
        for task in self._shoppers:
            task.cancel()
        await asyncio.gather(*self._shoppers, return_exceptions=True)


def baskets(seed: int) -> Iterator[Basket]:
    """Without an end."""
    batch = 1_000
    number = 0
    while True:
        for basket in shoppers.baskets(seed + number, batch):
            yield replace(basket, number=number)
            number += 1
