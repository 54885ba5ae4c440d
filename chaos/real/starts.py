"""Starts: all roles at the same moment on empty servers, again and again."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from random import Random

from chaos.kit.clients import Client
from chaos.kit.command import progress
from chaos.kit.history import History
from chaos.real.clients import connected
from chaos.real.shoppers import CannotBegin, World
from chaos.real.system_under_test import NotReady, SystemUnderTest
from scenarios.harness.client import sends_once
from scenarios.harness.settled import eventually

SEEN_S = 20.0


async def start_once(folder: Path, *, late_s: float, database: str) -> float:
    """Start, use, and stop everything; seconds until all were ready. Raises NotReady."""
    system = SystemUnderTest(folder, database=database, late_s=late_s)
    async with system, sends_once(force_close=True) as session:
        client = connected("first", system.where, session, History(), Random(0))
        await _first_order(client, await World.made(client, [10]))
        if failures := await system.stop_roles():
            raise NotReady(failures[0])
    return system.ready_after_s


async def _first_order(client: Client, world: World) -> None:
    lines = [{"product_id": world.products[0], "quantity": 1}]
    placed = await client.write("POST", "/orders", {"user_id": world.users[0], "items": lines})
    if not placed.ok:
        raise CannotBegin(str(placed))
    path = f"/orders/{placed.json['id']}"
    await eventually(
        lambda: client.read(path),
        lambda seen: seen.ok and seen.json["reservation"] == "reserved",
        deadline_s=SEEN_S,
    )


def run(times: int, folder: Path, *, late_s: float, database: str) -> int:
    """Start it so many times, and say what came of it; 1 when a start failed."""
    took: list[float] = []
    broken: list[str] = []
    for number in progress("starts", times, range(1, times + 1)):
        evidence = folder / str(number)
        evidence.mkdir(parents=True, exist_ok=True)
        try:
            took.append(asyncio.run(start_once(evidence, late_s=late_s, database=database)))
        except (NotReady, CannotBegin, AssertionError) as error:
            broken.append(f"start {number}: {error}")
    sys.stdout.write("".join(f"  {line}\n" for line in broken))
    range_s = f", ready after {min(took):.1f} to {max(took):.1f} s" if took else ""
    verdict = "BROKEN" if broken else "kept"
    sys.stdout.write(
        f"{verdict}: {len(took)} of {times} starts came up{range_s}; logs in {folder}\n"
    )
    return 1 if broken else 0
