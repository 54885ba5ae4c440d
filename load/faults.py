"""Load on a whole system on real servers, while faults come by chance: judged by load's own judge.

What the judge knows it has by HTTP and /metrics, as in any run of load. A request that fails during
a fault is a figure, and no verdict: what counts is that no promise is broken by it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import Process
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from random import Random

from chaos.kit.servers.chance import draw, inject
from chaos.kit.servers.scenario import Course, NotInjected
from chaos.kit.servers.timeline import Timeline
from chaos.real.stage import FAILS_BY
from chaos.real.system_under_test import NotReady, SystemUnderTest
from load.kit.verdicts import Exit
from load.shop.options import variable
from scenarios.harness.servers import Missing, NotStarted
from scenarios.harness.servers.common import say
from system.kit.errors import leaves

ORDERS = Path(__file__).parent / "orders.py"
CALM_S = 10.0
"""Without a fault: at the end, so that users work on a whole system once more."""
BETWEEN_S = 3.0
BEGINS_WITHIN_S = 120.0
LOOK_S = 0.1
REST_S = 180


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run shall be."""

    seconds: int
    users: int
    seed: int


def run(wanted: Wanted, folder: Path) -> int:
    """Run it, and say what came of it; the exit status of Locust, which is its judge's."""
    folder.mkdir(parents=True, exist_ok=True)
    status: int = Exit.BAD_USE
    try:
        if find_spec("locust") is None:
            raise Missing("locust is not installed: pip install -c constraints.txt -e .[load]")
        status = asyncio.run(_under_faults(wanted, folder))
    except* KeyboardInterrupt:
        say(f"stopped; nothing is judged; logs in {folder}")
        status = 130
    except* (Missing, NotStarted, NotReady, NotInjected) as group:
        for reason in dict.fromkeys(map(str, leaves(group))):
            say(f"cannot run: {reason} (logs in {folder})")
    return status


async def _under_faults(wanted: Wanted, folder: Path) -> int:
    async with SystemUnderTest(folder, proxied=True) as system:
        course = Course(Timeline(folder / "timeline.jsonl", say))
        evidence = folder / "load.jsonl"
        locust = await _started(wanted, system, evidence)
        try:
            await _begun(locust, evidence)
            await _faults(wanted, system, course)
            status = await locust.wait()
        finally:
            if locust.returncode is None:
                locust.kill()
                await locust.wait()
    say(f"{course.faults} faults, seed {wanted.seed}; evidence and logs in {folder}")
    return status


async def _started(wanted: Wanted, system: SystemUnderTest, evidence: Path) -> Process:
    where = {variable(role.role): role.url for role in system.roles.values()}
    python_path = {"PYTHONPATH": str(ORDERS.parents[1])}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "locust", "-f", ORDERS, "--headless", "--only-summary"),
        *("--users", str(wanted.users), "--spawn-rate", str(wanted.users)),
        *("--run-time", f"{wanted.seconds}s", "--evidence", evidence),
        *("--exit-code-on-error", "0", "--rest-within", str(REST_S)),
        env={**os.environ, **python_path, **where},
        stdin=asyncio.subprocess.DEVNULL,
    )


async def _begun(locust: Process, evidence: Path) -> None:
    """Wait until there are customers and products, and users that order. Raises NotReady."""
    try:
        async with asyncio.timeout(BEGINS_WITHIN_S):
            while not evidence.exists():
                if locust.returncode is not None:
                    raise NotReady(f"Locust ended with {locust.returncode} before it began")
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise NotReady(f"Locust did not begin within {BEGINS_WITHIN_S:g} s") from None


async def _faults(wanted: Wanted, system: SystemUnderTest, course: Course) -> None:
    """One to three at once, again and again, until shortly before the users' time is over."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + wanted.seconds - CALM_S
    for number in count(1):
        await asyncio.sleep(BETWEEN_S)
        if loop.time() > ends_at:
            return
        troubles = draw(Random(f"load-{wanted.seed}-{number}"), system.lines, system.targets)
        await inject(troubles, course, fails_by=FAILS_BY)
