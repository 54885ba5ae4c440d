"""How much more two and three processes of a role do than one, on the same cores.

What each backlog holds lies there before the processes that are to work it off go on: they have
joined their group, stand still while it is published, and go on together.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from itertools import count
from pathlib import Path

from load.bench.figures import NOTES, PROJECTIONS, RESERVATION, SPECS, Backlog, order_request
from load.bench.ground import PRODUCTS, Ground, cpu_s, environment
from load.bench.size import Size
from load.kit.figures import Better, Figure, Measure, Sample
from load.kit.raw_http import closed_loop
from scenarios.harness.namespace import Place
from scenarios.harness.servers.roles import RoleProcess
from system.kit.parts import Parts

CLIENTS = 64
LOOK_S = 0.02
DEADLINE_S = 120.0
WARM = 3 * PRODUCTS
"""Once so many events are worked off, all processes have joined."""
IDLE = slice(3, 5)
"""Of the times in proc(5)'s line of all processors: idle, and waiting for a disk."""

Measurer = Callable[[int], Measure]
"""What so many processes give."""


@asynccontextmanager
async def scaled(ground: Ground, size: Size) -> AsyncIterator[list[Figure]]:
    """POST /orders, and each consumer's backlog. Of an aggregate's relays one works at a time."""
    async with AsyncExitStack() as opened:
        figures: list[Figure] = []
        if size.processes:
            place = await opened.enter_async_context(ground.place())
            apis = [_member("order-api", place, ground) for _ in range(max(size.processes))]
            await opened.enter_async_context(_running(apis))
            asked = partial(_asked, apis, size.seconds)
            figures += _beside_one(f"POST /orders, {CLIENTS} clients", asked, size.processes)
        for backlog in (RESERVATION, NOTES, PROJECTIONS) if size.processes else ():
            place = await opened.enter_async_context(ground.place())
            firsts = count(1, max(WARM, size.events))  # numbers that the place has not had
            drained = partial(_drained, backlog, place, ground, size.events, firsts)
            figures += _beside_one(backlog.name, drained, size.processes)
        yield figures


def _beside_one(name: str, of: Measurer, processes: Sequence[int]) -> list[Figure]:
    return [
        Figure(
            f"{name}: {many} processes",
            "a second",
            Better.MORE,
            {"system": of(many), "one process": of(1)},
        )
        for many in processes
    ]


# --- the API ----------------------------------------------------------------------------------


def _asked(apis: Sequence[RoleProcess], seconds: float, many: int) -> Measure:
    """The clients divided among so many of them."""

    async def measure() -> Sample:
        busy = _Busy(apis[:many])
        loads = await asyncio.gather(
            *(
                closed_loop(
                    api.port,
                    [order_request(n % PRODUCTS + 1) for n in range(number, CLIENTS, many)],
                    seconds,
                )
                for number, api in enumerate(apis[:many])
            )
        )
        answered = sum(len(load.took_s) for load in loads)
        p99_ms = max(load.percentile(99) for load in loads) * 1000
        return Sample(sum(load.rate for load in loads), {"p99 ms": p99_ms, **busy.told(answered)})

    return measure


# --- consumers --------------------------------------------------------------------------------


def _drained(
    backlog: Backlog, place: Place, ground: Ground, events: int, firsts: Iterator[int], many: int
) -> Measure:
    """A backlog worked off by so many processes of its role."""

    async def measure() -> Sample:
        members = [_member(backlog.role, place, ground) for _ in range(many)]
        async with place.parts(ground.settings, instance="seed") as parts, _running(members):
            done = await _Done.of(backlog, parts)
            await backlog.fill(parts, next(firsts), WARM)
            await done.rises_by(WARM)
            with _standing_still(members):
                await backlog.fill(parts, next(firsts), events)
            busy, began = _Busy(members), asyncio.get_running_loop().time()
            await done.rises_by(events)
            took_s = asyncio.get_running_loop().time() - began
            return Sample(events / took_s, busy.told(events))

    return measure


class _Done:
    """How far the group that works a backlog off has come."""

    def __init__(self, group: str, parts: Parts, at: int) -> None:
        self._group = group
        self._parts = parts
        self._at = at

    @classmethod
    async def of(cls, backlog: Backlog, parts: Parts) -> _Done:
        group = backlog.role
        if backlog is PROJECTIONS:  # whose processes are ready when there is a live generation
            group = f"{group}.g{(await parts.views.generations()).live}"
        return cls(group, parts, await _committed(parts, group))

    async def rises_by(self, events: int) -> None:
        """Wait until so many more are worked off. Raises TimeoutError."""
        self._at += events
        async with asyncio.timeout(DEADLINE_S):
            while await _committed(self._parts, self._group) < self._at:
                await asyncio.sleep(LOOK_S)


async def _committed(parts: Parts, group: str) -> int:
    return sum((await parts.log("watch").committed(group)).values())


# --- processes --------------------------------------------------------------------------------


def _member(name: str, place: Place, ground: Ground) -> RoleProcess:
    within = place.within(ground.settings, instance="bench")
    return RoleProcess(SPECS[name], environment(within), free_port=True)


@asynccontextmanager
async def _running(processes: Sequence[RoleProcess]) -> AsyncIterator[None]:
    try:
        async with asyncio.TaskGroup() as tasks:
            for process in processes:
                tasks.create_task(process.start())
        yield
    finally:
        await asyncio.gather(*(process.stop() for process in processes))


@contextmanager
def _standing_still(processes: Sequence[RoleProcess]) -> Iterator[None]:
    """Shorter than a session of Kafka lasts, so that each keeps its partitions."""
    try:
        for process in processes:
            os.kill(process.pid, signal.SIGSTOP)
        yield
    finally:
        for process in processes:
            os.kill(process.pid, signal.SIGCONT)


class _Busy:
    """What was used since it was made: it says what kept more processes from doing more."""

    def __init__(self, processes: Sequence[RoleProcess]) -> None:
        self._processes = processes
        self._used_s = self._used()
        self._times = _times()

    def _used(self) -> float:
        return sum(cpu_s(process.pid) for process in self._processes)

    def told(self, done: int) -> Mapping[str, float]:
        spent = [now - before for now, before in zip(_times(), self._times, strict=True)]
        share = 1 - sum(spent[IDLE]) / max(1, sum(spent))
        return {
            "CPU ms each": (self._used() - self._used_s) * 1000 / done,
            "cores busy": share * (os.cpu_count() or 1),
        }


def _times() -> list[int]:
    """Of all processors together, by what they did (Linux, proc(5))."""
    line, _, _ = Path("/proc/stat").read_text().partition("\n")
    return [int(number) for number in line.split()[1:9]]
