"""Measure: from order to view when idle, and how many orders a second are accepted."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import quantiles

import aiohttp

from chaos.kit.history import History
from chaos.real.clients import connected
from chaos.real.gathered import auditor, come_to_rest
from chaos.real.shoppers import PLENTY, World
from chaos.real.system_under_test import SystemUnderTest
from system.kit import stacks
from system.kit.values import dumps, loads
from system.table import SHOP

LOOK_S = 0.001
SEEN_S = 30.0
WARM_ORDERS = 20
REQUEST_S = 15.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much is measured."""

    orders: int
    seconds: int
    clients: int
    database: str = "mysql"


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds each, and how many orders were accepted in how long."""

    answered_s: list[float]
    visible_s: list[float]
    accepted: int
    turned_away: int
    within_s: float
    busy_answered_s: list[float]
    settled_after_s: float


async def measure(wanted: Wanted, folder: Path) -> Measured:
    """Start everything and measure it."""
    async with (
        SystemUnderTest(folder, database=wanted.database) as system,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=REQUEST_S),
        ) as session,
        stacks.servers(auditor(system.servers.environment()), SHOP.all_topics) as parts,
    ):
        client = connected("setting-up", system.where, session, History(), Random(0))
        world = await World.made(client, [PLENTY] * 6)
        orders, views = system.where("order-api"), system.where("query-api")
        body = dumps(
            {
                "user_id": world.users[0],
                "items": [{"product_id": id, "quantity": 1} for id in world.products[:3]],
            }
        )
        one_by_one = [
            await _place_and_see(session, orders, views, body)
            for _ in range(WARM_ORDERS + wanted.orders)
        ][WARM_ORDERS:]
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        ends_at = began_s + wanted.seconds
        many = await asyncio.gather(
            *(_place_many(session, orders, body, ends_at) for _ in range(wanted.clients))
        )
        within_s = loop.time() - began_s
        busy = [took for times, _ in many for took in times]
        await come_to_rest(parts)
        return Measured(
            [answered for answered, _ in one_by_one],
            [visible for _, visible in one_by_one],
            len(busy),
            sum(turned_away for _, turned_away in many),
            within_s,
            busy,
            loop.time() - began_s - within_s,
        )


async def _place_and_see(
    session: aiohttp.ClientSession, orders: str, views: str, body: bytes
) -> tuple[float, float]:
    """Seconds from sending an order to its answer, and to its first appearance in the view."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    status, placed = await _post(session, orders, body)
    assert status == 201, placed
    answered_s = loop.time()
    url = f"{views}/orders/{loads(placed)['id']}"
    while loop.time() < began_s + SEEN_S:
        async with session.get(url) as seen:
            await seen.read()
            if seen.status == 200:
                return answered_s - began_s, loop.time() - began_s
        await asyncio.sleep(LOOK_S)
    raise AssertionError(f"{url} is not there after {SEEN_S:g} s")


async def _place_many(
    session: aiohttp.ClientSession, orders: str, body: bytes, ends_at: float
) -> tuple[list[float], int]:
    loop = asyncio.get_running_loop()
    times: list[float] = []
    turned_away = 0
    while (began_s := loop.time()) < ends_at:
        status, _ = await _post(session, orders, body)
        if status == 201:
            times.append(loop.time() - began_s)
        else:
            turned_away += 1
    return times, turned_away


async def _post(session: aiohttp.ClientSession, orders: str, body: bytes) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json"}
    async with session.post(f"{orders}/orders", data=body, headers=headers) as answer:
        return answer.status, await answer.read()


def _percentiles(times: list[float]) -> str:
    cuts = quantiles(times, n=100)
    return f"p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms"


def run(wanted: Wanted, folder: Path) -> int:
    """Measure and say what was seen."""
    seen = asyncio.run(measure(wanted, folder))
    lines = [
        f"one order at a time, {len(seen.visible_s)} orders:",
        f"  answered after {_percentiles(seen.answered_s)}",
        f"  visible after {_percentiles(seen.visible_s)}",
        f"{wanted.clients} clients for {seen.within_s:.1f} s:",
        f"  {seen.accepted / seen.within_s:.0f} orders/s accepted, {seen.turned_away} turned away",
        f"  answered after {_percentiles(seen.busy_answered_s)}",
        f"  everything visible {seen.settled_after_s:.1f} s after the last of them",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0
