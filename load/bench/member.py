"""`python -m load.bench.member PREFIX ROLE`: a role as a process of its own, in a place of many stacks."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from scenarios.harness.namespace import Place
from system.kit import logs, process
from system.kit.lifespan import Lifespan
from system.kit.roles import Blueprint, build
from system.settings import load_settings
from system.table import SHOP


async def _run(prefix: str, name: str) -> None:
    settings, lifespan = load_settings(None), Lifespan()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, lifespan.stopping.set)
    place = Place(settings, prefix, tuple(SHOP.all_topics))
    async with place.parts(settings, instance=str(os.getpid())) as parts:
        await process.run([build(name, parts, Blueprint(SHOP, settings), lifespan)], lifespan)


if __name__ == "__main__":
    logs.configure("json", "warning", "bench", also_of_roles=True)
    asyncio.run(_run(*sys.argv[1:]))
