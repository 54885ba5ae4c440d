"""The nemesis: kills and pauses roles and servers, cuts lines, heals, and waits for recovery."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

KILL_S = (0.0, 3.0)
"""How long what was killed stays away."""
PAUSE_S = (4.0, 12.0)
"""Longer than every lease and every session, which are 3 s."""
TOGETHER = 0.2
"""How often two are hit at once."""
AT_ONCE = 0.25
"""How often the next fault comes before everybody has recovered from this one."""
RECOVER_S = 90.0


class Pausable(Protocol):
    """What can stand still for a while: a role, a server, or the line to a server."""

    async def pause(self) -> None: ...
    async def resume(self) -> None: ...


class Target(Pausable, Protocol):
    """What can be hit in every way: a role or a server."""

    async def kill(self) -> None: ...
    async def start(self) -> None: ...


@dataclass(frozen=True, slots=True)
class TimedFault:
    """One fault: who is killed or paused, for how long, and whether recovery is waited for."""

    kind: str
    targets: tuple[str, ...]
    seconds: float
    recover: bool = True

    def __str__(self) -> str:
        return f"{self.kind} {' and '.join(self.targets)} for {self.seconds:.1f} s"


@dataclass(frozen=True, slots=True)
class Injected:
    """A fault that happened: when it began, when all was repaired, and when all were ready."""

    fault: TimedFault
    began_s: float
    repaired_s: float
    ready_after_s: float | None
    """From the repair on. None: the next fault did not wait for that."""


def plan(
    seed: int, names: Sequence[str], lines: Sequence[str], *, kills: int, pauses: int
) -> list[TimedFault]:
    """Every name in turn, in an order that the seed shuffles anew for each round.

    Who can be killed can be paused, too; a line can only be cut, which counts as a pause.
    """
    random = Random(f"faults {seed}")
    faults: list[TimedFault] = []
    turns = _turns(random, names, kills)
    while turns:
        count = 2 if len(turns) > 1 and random.random() < TOGETHER else 1
        targets, turns = tuple(turns[:count]), turns[count:]
        faults.append(
            TimedFault(
                "kill",
                tuple(dict.fromkeys(targets)),
                random.uniform(*KILL_S),
                recover=random.random() >= AT_ONCE,
            )
        )
    for name in _turns(random, [*names, *lines], pauses):
        kind = "cut" if name in lines else "pause"
        place = random.randint(0, len(faults))
        faults.insert(place, TimedFault(kind, (name,), random.uniform(*PAUSE_S)))
    return faults


def _turns(random: Random, names: Sequence[str], count: int) -> list[str]:
    turns: list[str] = []
    while len(turns) < count:
        turns += random.sample(names, len(names))
    return turns[:count]


class Nemesis:
    """Injects one fault at a time."""

    def __init__(
        self,
        targets: Mapping[str, Target],
        lines: Mapping[str, Pausable],
        recovered: Callable[[], Awaitable[Sequence[str]]],
        note: Callable[[str], None],
    ) -> None:
        """`recovered` names those that are not ready yet."""
        self.injected: list[Injected] = []
        self._targets = targets
        self._pausable: Mapping[str, Pausable] = {**targets, **lines}
        self._recovered = recovered
        self._note = note

    async def inject(self, fault: TimedFault) -> None:
        """Inject it, heal, and wait for recovery. Raises NotRecovered."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        self._note(str(fault))
        if fault.kind == "kill":
            await self._kill([self._targets[name] for name in fault.targets], fault.seconds)
        else:
            await self._pause([self._pausable[name] for name in fault.targets], fault.seconds)
        repaired_s = loop.time()
        ready_s = await self._recovery() if fault.recover else None
        self.injected.append(Injected(fault, began_s, repaired_s, ready_s))

    async def _kill(self, targets: Sequence[Target], seconds: float) -> None:
        try:
            await asyncio.gather(*(target.kill() for target in targets))
            await asyncio.sleep(seconds)
        finally:
            await asyncio.gather(*(target.start() for target in targets))

    async def _pause(self, targets: Sequence[Pausable], seconds: float) -> None:
        try:
            await asyncio.gather(*(target.pause() for target in targets))
            await asyncio.sleep(seconds)
        finally:
            await asyncio.gather(*(target.resume() for target in targets))

    async def _recovery(self) -> float:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        while waited_for := await self._recovered():
            if loop.time() - began_s > RECOVER_S:
                raise NotRecovered(f"not ready after {RECOVER_S:g} s: {', '.join(waited_for)}")
            await asyncio.sleep(0.1)
        return loop.time() - began_s


class NotRecovered(Exception):
    """Some role was not ready long after everything was healed."""
