"""Faults: processes killed, answers lost, stores away, and lines that get slow before a kill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from random import Random
from typing import Literal

from chaos.kit.blackbox import Fault, Record, Stranger, Unreadable
from chaos.strangers.ground import Ground, Line
from chaos.strangers.processes import Running
from chaos.strangers.topics import Topics

CALM_S = (0.5, 1.5)
AWAY_S = 4.0
DOWN_S = (0.2, 1.5)
LOST_TIMES = 5
LOST_S = 0.3
SLOW_MS = 1000
SLOW_S = 40.0
"""How long a slow line waits for a record before the kill comes anyway. One that was just killed gets
nothing until its old self has lost its partitions, which takes many clients 30 s."""
BLIND_S = (1.5, 3.0)
"""How long it waits where there is no record to wait for."""
SLOW_TIMES = 2
SLOW_TIMES_BEFORE_KAFKA = 4
"""More, for what a process tells cannot be seen in time there: some of the kills come too late."""

Kind = Literal["kill", "lose answers", "away", "slow, then kill"]


@dataclass(frozen=True, slots=True)
class Planned:
    """One fault."""

    kind: Kind
    process: str = ""
    line: Line | None = None

    def __str__(self) -> str:
        match self.kind:
            case "kill":
                return f"kill -9 {self.process}"
            case "lose answers":
                return f"answers lost on {self.line}"
            case "away":
                return f"{self.line} is cut"
            case "slow, then kill":
                return f"{self.line} is slow, then cut, and {self.process} killed with kill -9"


def plan(stranger: Stranger, lines: Mapping[str, Line], seed: int) -> list[Planned]:
    """Every fault once, in an order that the seed shuffles."""
    planned = [Planned("kill", process.name) for process in stranger.processes]
    for line in lines.values():
        planned += [Planned("lose answers", line=line), Planned("away", line=line)]
        at_end = [line.process] if line.process else [one.name for one in stranger.processes]
        planned += [Planned("slow, then kill", name, line) for name in at_end]
    Random(f"strangers {seed}").shuffle(planned)
    return planned


class Nemesis:
    """Injects one fault at a time, and heals it."""

    def __init__(
        self,
        ground: Ground,
        processes: Mapping[str, Running],
        topics: Topics,
        killed: set[str],
        random: Random,
    ) -> None:
        """`killed` are those that nobody else may start, for as long as they are in it."""
        self.faults: list[Fault] = []
        self._stranger = ground.stranger
        self._toxiproxy = ground.toxiproxy
        self._writes = {
            name: [topic.name for topic in ground.stranger.topics if name in topic.writers]
            for name in processes
        }
        self._processes = processes
        self._topics = topics
        self._killed = killed
        self._random = random

    async def inject(self, planned: Planned) -> None:
        """Raises NotReady when a process does not come back."""
        await asyncio.sleep(self._random.uniform(*CALM_S))
        began_s = _now()
        try:
            match planned.kind:
                case "kill":
                    async with self._down(planned.process):
                        await asyncio.sleep(self._random.uniform(*DOWN_S))
                case "lose answers":
                    await self._lose_answers(_line(planned))
                case "away":
                    await self._toxiproxy.set_up(_line(planned), up=False)
                    await asyncio.sleep(AWAY_S)
                case "slow, then kill":
                    is_kafka = _line(planned) == "kafka"
                    for _ in range(SLOW_TIMES_BEFORE_KAFKA if is_kafka else SLOW_TIMES):
                        await self._slow_then_kill(planned)
        finally:
            await self._toxiproxy.heal()
            self.faults.append(Fault(str(planned), began_s, _now()))
        if planned.process:
            await self._processes[planned.process].until_ready()

    async def _lose_answers(self, line: str) -> None:
        """What was asked is done, its answer is lost, and the connection with it. And again."""
        for _ in range(LOST_TIMES):
            await self._toxiproxy.spoil(line, "limit_data", bytes=0)
            await asyncio.sleep(LOST_S)
            await self._toxiproxy.cure(line, "limit_data")
            await asyncio.sleep(LOST_S)

    async def _slow_then_kill(self, planned: Planned) -> None:
        """Kill it between two of its steps, with what it has sent last still on its way.

        A process that acts, tells of it, and then marks it as done, over a line on which each
        request takes a second: when its record is seen, the mark is not there yet. The
        line is cut with the kill, or what the dead one has sent would still arrive.
        """
        line = _line(planned)
        aimed_at, after_s = self._writes[planned.process], 0.0
        if line == "kafka":
            # What it tells cannot be seen in time. What others tell it handles at once, or when its
            # next fetch has come through; then what it tells of that is on its way for a second.
            aimed_at, after_s = self._written_by_others(planned.process), 0.75 * SLOW_MS / 1000
        await self._toxiproxy.spoil(line, "latency", stream="upstream", latency=SLOW_MS)
        # What is seen at once was sent before, and so was the mark that follows it.
        since_s = _now() + (0.0 if line == "kafka" else SLOW_MS / 1000)
        if aimed_at:
            await self._topics.wait_for_one(aimed_at, SLOW_S, self._aim(aimed_at, since_s))
        else:
            after_s = self._random.uniform(*BLIND_S)
        await asyncio.sleep(after_s)
        async with self._down(planned.process):
            await self._toxiproxy.set_up(line, up=False)
            await asyncio.sleep(self._random.uniform(*DOWN_S))
            await self._toxiproxy.heal()
        await self._processes[planned.process].until_ready()

    def _aim(self, topics: Collection[str], since_s: float) -> Callable[[Record], bool]:
        """Wait for what begins a thing or moves amounts, where some do.

        What a refusal brings about shows nowhere when it is lost, or done twice.
        """
        seen = (record for record in self._topics.records if record.topic in topics)
        shows = self._matters if any(map(self._matters, seen)) else lambda _: True
        return lambda record: record.at_s >= since_s and shows(record)

    def _matters(self, record: Record) -> bool:
        try:
            return any(
                event.moves or event.kind == "placed" for event in self._stranger.events(record)
            )
        except Unreadable:
            return False

    def _written_by_others(self, process: str) -> list[str]:
        return [name for other, names in self._writes.items() if other != process for name in names]

    @asynccontextmanager
    async def _down(self, name: str) -> AsyncIterator[None]:
        self._killed.add(name)
        try:
            await self._processes[name].kill()
            yield
        finally:
            self._processes[name].start()
            self._killed.discard(name)


def _line(planned: Planned) -> str:
    assert planned.line is not None, f"{planned.kind} strikes a line"
    return planned.line.name


def turns(planned: Sequence[Planned], ends_at_s: float | None) -> Iterator[Planned]:
    """Each once; or until then, from the first on again where there are not enough."""
    if ends_at_s is None:
        yield from planned
        return
    for fault in cycle(planned):
        if _now() >= ends_at_s:
            return
        yield fault


def _now() -> float:
    return asyncio.get_running_loop().time()
