"""Faults: processes killed, answers lost, stores away, and lines that get slow before a kill."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count, cycle, islice
from random import Random
from typing import Literal

from chaos.kit.blackbox import Fault, Record, Stranger
from chaos.strangers.ground import Ground, Line
from chaos.strangers.processes import Running
from chaos.strangers.topics import Topics
from chaos.strangers.watch import LOOK_S, Watch
from scenarios.harness.servers.common import say

CALM_S = (0.5, 1.5)
AWAY_S = 4.0
DOWN_S = (0.2, 1.5)
LOST_TIMES = 30
"""Few of them hit a COMMIT, and of these few one whose loss shows: of ten, some runs had none."""
LOST_S = 0.3
LATE_MS = 200
LOST_MOST_S = 15.0
"""So long answers are lost at most to one that tells of nothing meanwhile: a slow system does nothing in
the seconds that LOST_TIMES take."""
SLOW_MS = 1000
SLOW_S = 40.0
"""How long a slow line waits for its moment, beside what the system's own longest pause takes, before the
kill comes anyway. One that was just killed gets nothing until its old self has lost its partitions,
which takes many clients 30 s."""
BLIND_S = (1.5, 3.0)
"""How long it waits where there is no record to wait for."""
SLOW_TIMES = 3
SLOW_TIMES_BEFORE_KAFKA = 4
"""More, for there are more moments to aim at, and each has its turn."""
FLOWS_S = 30.0
"""How long clients may take until all is there that a kill can be aimed at."""

Kind = Literal["kill", "lose answers", "away", "slow, then kill"]
Moment = Callable[[], Awaitable[object]]


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
        watch: Watch,
        killed: set[str],
        random: Random,
    ) -> None:
        """`killed` are those that nobody else may start, for as long as they are in it."""
        self.faults: list[Fault] = []
        self._toxiproxy = ground.toxiproxy
        self._writers = {topic.name: set(topic.writers) for topic in ground.stranger.topics}
        self._patience_s = SLOW_S + ground.stranger.quiet_s
        self._processes = processes
        self._topics = topics
        self._watch = watch
        self._killed = killed
        self._random = random

    async def until_it_flows(self) -> None:
        """Let each topic that can be aimed at tell of something first, or what can be aimed at is chance."""
        written = {name for name, writers in self._writers.items() if writers}
        ends_at = _now() + FLOWS_S
        while written - self._telling() and _now() < ends_at:
            await asyncio.sleep(LOOK_S)

    def _telling(self) -> set[str]:
        """The topics that tell of something. Poison tells of nothing."""
        records = self._topics.records
        return {record.topic for record in records if any(self._watch.events([record]))}

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
                    await self._lose_answers(planned)
                case "away":
                    await self._toxiproxy.set_up(_line(planned), up=False)
                    await asyncio.sleep(AWAY_S)
                case "slow, then kill":
                    for moment in await self._moments(planned):
                        await self._slow_then_kill(planned, moment)
        finally:
            await self._toxiproxy.heal()
            self.faults.append(Fault(str(planned), began_s, _now()))
        if planned.process:
            await self._processes[planned.process].until_ready()

    async def _lose_answers(self, planned: Planned) -> None:
        """What was asked is done, its answer is lost, and the connection with it. And again."""
        assert planned.line is not None
        own, seen = self._written_by(planned.line.process), len(self._topics.records)
        ends_at = _now() + (LOST_MOST_S if own else 0.0)
        for times in count(1):
            await (self._lose_late if times % 2 else self._lose_all)(planned.line.name)
            await asyncio.sleep(LOST_S)
            works = any(record.topic in own for record in self._topics.records[seen:])
            if times >= LOST_TIMES and (works or _now() > ends_at):
                return

    async def _lose_all(self, line: str) -> None:
        """Each answer for a while: of a transaction always that to its first statement."""
        await self._toxiproxy.spoil(line, "limit_data", bytes=0)
        await asyncio.sleep(LOST_S)
        await self._toxiproxy.cure(line, "limit_data")

    async def _lose_late(self, line: str) -> None:
        """Those that are on their way at one moment: that to a COMMIT as often as any other."""
        await self._toxiproxy.spoil(line, "latency", latency=LATE_MS)
        await asyncio.sleep(LOST_S)
        await self._toxiproxy.renew(line)

    async def _slow_then_kill(self, planned: Planned, moment: Moment) -> None:
        """Kill it between two of its steps, with what it has sent last still on its way.

        A process that acts, tells of it, and then marks it as done, over a line on which each
        request takes a second: when its record is seen, the mark is not there yet. The
        line is cut with the kill, or what the dead one has sent would still arrive.
        """
        line = _line(planned)
        await self._toxiproxy.spoil(line, "latency", stream="upstream", latency=SLOW_MS)
        try:
            async with asyncio.timeout(self._patience_s):
                await moment()
        except TimeoutError:
            say(f"         nothing came in {self._patience_s:g} s that the kill could be aimed at")
        async with self._down(planned.process):
            await self._toxiproxy.set_up(line, up=False)
            await asyncio.sleep(self._random.uniform(*DOWN_S))
            await self._toxiproxy.renew(line)
        await self._processes[planned.process].until_ready()

    async def _moments(self, planned: Planned) -> Sequence[Moment]:
        """What each kill is aimed at.

        Over a slow line to a store, a record of its own. Behind a slow line to Kafka that one comes
        too late: there it is what a client or an account shows before the record can. And what the
        process hears from others. Each in turn.
        """
        name = planned.process
        others = self._written_by_others(name)
        heard: Moment = partial(self._heard, name, others) if others else self._blindly
        moments: list[Moment] = []
        if _line(planned) != "kafka":
            if own := self._written_by(name):
                moments.append(partial(self._record, own, SLOW_MS / 1000))
            return list(islice(cycle([*moments, heard]), SLOW_TIMES))
        if self._watch.is_answering(name):
            moments.append(partial(self._watch.until_acknowledged, name))
        if await self._watch.shows_amounts_of(self._all_written_by(name)):
            moments.append(self._watch.until_moved)
        return list(islice(cycle([*moments, heard]), SLOW_TIMES_BEFORE_KAFKA))

    async def _record(self, topics: Collection[str], late_s: float = 0.0) -> None:
        """A record of these. What is seen at once was sent before, and so was the mark that follows."""
        since_s = _now() + late_s
        await self._topics.wait_for_one(topics, self._aim(topics, since_s))

    async def _heard(self, process: str, topics: Collection[str]) -> None:
        """It handles a record of others at once, or when its next fetch has come through.

        Then what it does for that, or tells of it, is on its way for a second. One that was just killed
        hears nothing until it works again, as a record shows that no other can have written.
        """
        if alone := self._written_alone_by(process):
            await self._topics.wait_for_one(alone, lambda _: True)
        await self._record(topics)
        await asyncio.sleep(0.75 * SLOW_MS / 1000)

    async def _blindly(self) -> None:
        await asyncio.sleep(self._random.uniform(*BLIND_S))

    def _aim(self, topics: Collection[str], since_s: float) -> Callable[[Record], bool]:
        """Wait for what begins a thing or moves amounts, where some do.

        What a refusal brings about shows nowhere when it is lost, or done twice.
        """
        seen = [record for record in self._topics.records if record.topic in topics]
        shows = self._matters if any(map(self._matters, seen)) else lambda _: True
        return lambda record: record.at_s >= since_s and shows(record)

    def _matters(self, record: Record) -> bool:
        return any(event.moves or event.kind == "placed" for event in self._watch.events([record]))

    def _all_written_by(self, process: str) -> list[str]:
        return [name for name, writers in self._writers.items() if process in writers]

    def _written_alone_by(self, process: str) -> list[str]:
        return [name for name, writers in self._writers.items() if writers == {process}]

    def _written_by(self, process: str) -> list[str]:
        """Those that it alone writes, where there are some: of others a record may be another's."""
        return self._written_alone_by(process) or self._all_written_by(process)

    def _written_by_others(self, process: str) -> list[str]:
        """Those that it does not write itself, where there are some."""
        others = [name for name, writers in self._writers.items() if writers - {process}]
        return [name for name in others if process not in self._writers[name]] or others

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
    assert planned.line is not None, f"{planned.kind} hits a line"
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
