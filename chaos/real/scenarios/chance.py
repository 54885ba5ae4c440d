"""Scenarios by chance: a name is a seed and a number, and so the same faults again."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from random import Random

from chaos.kit.servers.chance import draw, inject
from chaos.kit.servers.scenario import Course, Scenario
from chaos.real.stage import FAILS_BY, Stage

NAME = re.compile(r"chance-(\d{1,9})-(\d{1,9})")
WARM_S = 1.0
LOOK_S = 0.25


def by_name(name: str) -> Scenario[Stage] | None:
    """The one of this name: `chance-7-12`; None for another name."""
    match = NAME.fullmatch(name)
    return None if match is None else by_chance(int(match[1]), int(match[2]))


def by_chance(seed: int, number: int) -> Scenario[Stage]:
    name = f"chance-{seed}-{number}"

    async def play(stage: Stage, course: Course) -> None:
        troubles = draw(Random(name), stage.lines, stage.system.targets)
        noticed: set[str] = set()
        async with stage.flow.at(8):
            await asyncio.sleep(WARM_S)
            looking = asyncio.create_task(_look(stage, noticed))
            try:
                await inject(troubles, course, fails_by=FAILS_BY)
            finally:
                looking.cancel()
        if noticed:
            course.saw(True, f"not ready meanwhile: {', '.join(sorted(noticed))}")
        await stage.recovers(course)
        for role in stage.system.roles:
            await stage.until_ready(role)

    return Scenario(name, "Faults by chance.", play, may_pass_unseen=True)


async def _look(stage: Stage, noticed: set[str]) -> None:
    while True:
        noticed.update(await stage.system.not_ready())
        await asyncio.sleep(LOOK_S)


def without_end(seed: int) -> Iterator[Scenario[Stage]]:
    number = 0
    while True:
        number += 1
        yield by_chance(seed, number)
