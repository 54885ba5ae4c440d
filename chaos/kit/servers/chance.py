"""Faults by chance: a seed draws which, where, when and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Protocol

from chaos.kit.servers.lines import (
    ANSWERS_LOST,
    SILENCE,
    Lines,
    Toxic,
    bandwidth,
    latency,
    resets,
    slices,
)
from chaos.kit.servers.scenario import Course, NotInjected

AT_ONCE_MAX = 3
LASTS_S = (1.0, 8.0)
BEGINS_S = (0.0, 4.0)
AWAY_S = (0.0, 3.0)
ON_LINES: Mapping[str, Sequence[Toxic]] = {
    "silent": SILENCE,
    "slow": [latency(300, jitter_ms=250)],
    "thin": [bandwidth(16)],
    "sliced": [slices(200, pause_us=2_000)],
    "reset": [resets(100)],
    "answers lost": ANSWERS_LOST.sprung,
    "requests late": [latency(500, jitter_ms=400, stream="upstream")],
}
CUT = "cut"


class Target(Protocol):
    """A process that can be killed, started on its data, and stopped for a while."""

    async def kill(self) -> None: ...
    async def start(self) -> None: ...
    async def pause(self) -> None: ...
    async def resume(self) -> None: ...


@dataclass(frozen=True, slots=True)
class FaultyHandler:
    """One fault of a combination."""

    text: str
    begins_s: float
    lasts_s: float
    during: Callable[[], AbstractAsyncContextManager[object]]

    def __str__(self) -> str:
        return f"{self.text} for {self.lasts_s:.1f} s"


def draw(random: Random, lines: Lines, targets: Mapping[str, Target]) -> list[FaultyHandler]:
    """One to three faults, none of them twice on the same target."""
    count = random.randint(1, AT_ONCE_MAX)
    hit = random.sample(sorted(targets), count)
    return [_trouble(random, number, targets, name, lines) for number, name in enumerate(hit)]


def _trouble(
    random: Random, number: int, targets: Mapping[str, Target], name: str, lines: Lines
) -> FaultyHandler:
    begins_s = random.uniform(*BEGINS_S)
    target = targets[name]
    match random.choice(("kill", "pause", "lines", "lines")):
        case "kill":
            lasts_s = random.uniform(*AWAY_S)
            return FaultyHandler(f"kill -9 {name}", begins_s, lasts_s, lambda: _killed(target))
        case "pause":
            lasts_s = random.uniform(*LASTS_S)
            return FaultyHandler(f"SIGSTOP {name}", begins_s, lasts_s, lambda: _paused(target))
        case _:
            return _on_lines(random, number, lines, begins_s)


def _on_lines(random: Random, number: int, lines: Lines, begins_s: float) -> FaultyHandler:
    """All lines of a client, all to a server, or one."""
    lasts_s = random.uniform(*LASTS_S)
    client = random.choice((None, random.choice(lines.clients)))
    server = (
        random.choice(lines.servers) if client is None else random.choice((None, *lines.servers))
    )
    how = random.choice((*ON_LINES, CUT))
    text = f"lines of {client or 'all'} to {server or 'all servers'}: {how}"
    if how == CUT:
        return FaultyHandler(text, begins_s, lasts_s, lambda: lines.cut(client, server))
    toxics = [replace(toxic, label=f"{toxic.kind}{number}") for toxic in ON_LINES[how]]
    return FaultyHandler(
        text, begins_s, lasts_s, lambda: lines.with_toxics(*toxics, client=client, server=server)
    )


@asynccontextmanager
async def _killed(target: Target) -> AsyncIterator[None]:
    await target.kill()
    try:
        yield
    finally:
        await target.start()


@asynccontextmanager
async def _paused(target: Target) -> AsyncIterator[None]:
    await target.pause()
    try:
        yield
    finally:
        await target.resume()


async def inject(
    troubles: Sequence[FaultyHandler],
    course: Course,
    *,
    fails_by: tuple[type[Exception], ...] = (OSError,),
) -> None:
    """Each in its time; all are healed at the end. Raises NotInjected.

    `fails_by` are the errors by which a target or a line says that it cannot be hit or healed.
    """

    async def one(trouble: FaultyHandler) -> None:
        await asyncio.sleep(trouble.begins_s)
        with course.fault(str(trouble)):
            async with trouble.during():
                await asyncio.sleep(trouble.lasts_s)

    failed: list[str] = []
    try:
        async with asyncio.TaskGroup() as tasks:
            for trouble in troubles:
                tasks.create_task(one(trouble))
    except* fails_by as group:
        failed += map(str, group.exceptions)
    if failed:
        raise NotInjected("; ".join(failed))
