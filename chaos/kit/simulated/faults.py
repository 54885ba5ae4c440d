"""What goes wrong, where and when. A schedule of faults has a text form, so that it can be replayed.

Faults at a point hit the nth time that a process makes a certain call, on its way there or on
its way back: `crash@accounts:sql.commit:reply:3`. Faults in time begin at a moment and are
healed by themselves: `outage@log:2.5:40`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

from chaos.kit.points import Hop, Point
from chaos.kit.simulated.loop import PROCESS, Incarnation, for_ever
from system.kit.errors import Conflict, Unavailable
from system.kit.ports.log import Partition

PAUSE_S = 7.0
"""Longer than any lease, session, transaction or request of the system."""
RESTART_S = 1.5
SLOWER = 200
DELAY_S = (0.0002, 0.003)
"""How long a hop takes. Chance here is what explores the interleavings."""

CALL_S = 2.0
"""The bound on each call to log and views, as adapters have it: 2 s for a COMMIT of offsets, 5 s or
more for what may be slower. That of SQL is in the system's own part, around the hops."""

LATE_S = 1.0
"""Far longer than a hop takes, far shorter than any bound: others overtake."""

AT_REQUEST = ("error", "crash", "pause", "late")
AT_REPLY = ("lost", "crash", "pause", "late")
COMMIT = "sql.commit"
READS = frozenset(
    (
        *("views.get", "views.page", "views.generations", "views.ping"),
        *("log.read", "log.ends", "log.committed"),
    )
)
"""The calls that change nothing; of SQL, only a COMMIT has an answer that can be lost."""
OF_STORES = ("outage", "slow", "hang", "storm")
IN_TIME = (*OF_STORES, "stall", "jump", "rebalance", "duplicate", "restart")


class Ghost(Unavailable):
    """The connection broke under a COMMIT that is still on its way, and will arrive."""


class BadReplay(Exception):
    """A replay ID cannot be read. The text is one line that says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """The nth time that a process passes a fault point."""

    process: str
    call: str
    hop: Hop
    nth: int

    def __str__(self) -> str:
        return f"{self.process}:{self.call}:{self.hop.value}:{self.nth}"


@dataclass(frozen=True, slots=True)
class PointFault:
    """A fault at a point: error, lost (the reply), conflict, ghost, crash, pause or late."""

    kind: str
    place: Place

    def __str__(self) -> str:
        return f"{self.kind}@{self.place}"


@dataclass(frozen=True, slots=True)
class TimedFault:
    """A fault in time: on a store, a process, a group or a topic, from a moment on."""

    kind: str
    target: str
    at_s: float
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind}@{self.target}:{self.at_s:g}:{self.seconds:g}"

    def covers(self, time_s: float) -> bool:
        return self.at_s <= time_s < self.at_s + self.seconds


Fault = PointFault | TimedFault


def parse(text: str) -> Fault:
    """Read a fault back. Raises BadReplay."""
    kind, _, rest = text.partition("@")
    parts = rest.split(":")
    try:
        if kind in IN_TIME:
            target, at_s, seconds = parts
            return TimedFault(kind, target, float(at_s), float(seconds))
        process, call, hop, nth = parts
        return PointFault(kind, Place(process, call, Hop(hop), int(nth)))
    except ValueError:
        raise BadReplay(f"{text!r} is not a fault") from None


def kinds_at(place: Place) -> tuple[str, ...]:
    """Every way in which this point can be hit."""
    if place.hop is Hop.REPLY:
        return AT_REPLY
    if place.call == COMMIT:
        return (*AT_REQUEST, "ghost")
    return (*AT_REQUEST, "conflict") if writes(place.call) else AT_REQUEST


def distinct_kinds_at(place: Place) -> tuple[str, ...]:
    """The ways to hit this point that no hit at another point amounts to.

    Who dies on the way to a store has done no more than when the last answer came: crashes hit
    on the way back, and before COMMIT, where a whole transaction is undone. Who stalls on the way
    back stalls before the next call; who stalls at a statement that writes, and so holds the lock,
    keeps others waiting until the server undoes it all, as before COMMIT. Of a call that only
    reads, an answer lost is an error like any other. What is late is among other calls, which is
    chance's to find.
    """
    elsewhere: tuple[str, ...]
    if place.hop is Hop.REPLY:
        elsewhere = AT_REPLY if place.call in READS else ("pause", "late")
    elif place.call == COMMIT:
        elsewhere = ("late",)
    else:
        elsewhere = ("crash", "late", "pause") if writes(place.call) else ("crash", "late")
    return tuple(kind for kind in kinds_at(place) if kind not in elsewhere)


def writes(call: str) -> bool:
    """Whether this is a statement that may meet a deadlock or a lock wait."""
    return call.startswith(("sql.insert-", "sql.update-", "sql.delete-"))


@dataclass(frozen=True, slots=True)
class Seen:
    """One line of a run's trace."""

    time_s: float
    process: str
    what: str


class Trace:
    """What happened, in order. Two runs are the same if and only if their digests are."""

    def __init__(self) -> None:
        self.lines: list[Seen] = []
        self._hash = hashlib.sha256()

    def note(self, time_s: float, process: str, what: str) -> None:
        self.lines.append(Seen(time_s, process, what))
        self._hash.update(f"{time_s:.9f} {process} {what}\n".encode())

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()[:16]


_Passing = tuple[str, str, bool, int]
"""A place as plain values, since many thousands are passed: process, call, on the way back, nth."""


def _passing(place: Place) -> _Passing:
    return place.process, place.call, place.hop is Hop.REPLY, place.nth


def _place(passing: _Passing) -> Place:
    process, call, is_reply, nth = passing
    return Place(process, call, Hop.REPLY if is_reply else Hop.REQUEST, nth)


class Faults:
    """Hits at the points of a schedule, and lets every hop take its time."""

    def __init__(
        self,
        faults: Iterable[Fault],
        random: Random,
        trace: Trace,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        faults = tuple(faults)
        self.trace = trace
        self.crashed: Callable[[Incarnation], None] = lambda _: None
        self.paused: Callable[[Incarnation], None] = lambda _: None
        self.branching: Callable[[Place], PointFault | None] | None = None
        """Asked at each point for a hit that no schedule foresaw."""
        self._point_faults = {
            _passing(fault.place): fault for fault in faults if isinstance(fault, PointFault)
        }
        self._windows = [
            fault for fault in faults if isinstance(fault, TimedFault) and fault.kind in OF_STORES
        ]
        self._stalls = [
            fault for fault in faults if isinstance(fault, TimedFault) and fault.kind == "stall"
        ]
        self._random = random
        self._nth: dict[tuple[str, str, bool], int] = {}
        self._passed: list[_Passing] = []
        self._loop = loop
        self._are_on = False

    def begin(self) -> None:
        """From here on hops take time, are counted, and can be hit."""
        self._are_on = True

    def end(self) -> None:
        """From here on no hop does more than what it is the hop of."""
        self._are_on = False

    def are_on(self) -> bool:
        return self._are_on

    async def at(self, point: Point) -> None:
        if not self.are_on():
            return
        call, is_reply = point.call, point.hop is Hop.REPLY
        way = (point.process, call, is_reply)
        nth = self._nth[way] = self._nth.get(way, 0) + 1
        delay_s = self._random.uniform(*DELAY_S)
        if self._windows:
            if self._window("slow", call):
                delay_s *= SLOWER
            if not is_reply and (hanging := self._window("hang", call)):
                delay_s += hanging.at_s + hanging.seconds - self._loop.time()
        is_given_up = delay_s > CALL_S and not call.startswith("sql.")
        await asyncio.sleep(CALL_S if is_given_up else delay_s)
        if not self.are_on():  # any more
            return
        passing = (*way, nth)
        self._passed.append(passing)
        self.trace.note(self._loop.time(), point.process, f"{call} {point.hop.value} {nth}")
        fault = self._point_faults.get(passing)
        if self.branching is not None:
            fault = self.branching(_place(passing))
            if fault is not None:  # this is its branch: it is hit once
                self.branching = None
        if fault is not None:
            await self._inject(fault)
        if is_given_up:
            raise Unavailable(f"{call}: no answer within {CALL_S:g} s")
        if self._windows and not is_reply:
            if self._window("outage", call):
                raise Unavailable(f"{call}: there is an outage")
            if self._window("storm", call) and writes(call):
                raise Conflict(f"{call}: a deadlock, or a lock wait, like all others")

    def is_stalled(self, partition: Partition) -> bool:
        """Whether this partition takes nothing now."""
        now = self._loop.time()
        name = f"{partition.topic}-{partition.number}"
        return self._are_on and any(
            stall.target == name and stall.covers(now) for stall in self._stalls
        )

    def _window(self, kind: str, call: str) -> TimedFault | None:
        store = call.partition(".")[0]
        now = self._loop.time()
        for window in self._windows:
            if window.kind == kind and window.target == store and window.covers(now):
                return window
        return None

    @property
    def places(self) -> list[Place]:
        """Every point that was passed, in order."""
        return [_place(passing) for passing in self._passed]

    async def _inject(self, fault: PointFault) -> None:
        process = PROCESS.get()
        self.trace.note(self._loop.time(), fault.place.process, f"INJECTED {fault}")
        match fault.kind:
            case "error" | "lost":
                raise Unavailable(f"{fault.place.call}: the connection broke")
            case "conflict":
                raise Conflict(f"{fault.place.call}: a deadlock, or a lock wait")
            case "ghost":
                raise Ghost(f"{fault.place.call}: the connection broke")
            case "late":
                await asyncio.sleep(LATE_S)
            case "crash" if process is not None:
                self.crashed(process)
                await for_ever()
            case "pause" if process is not None:
                self.paused(process)
                await asyncio.sleep(0)  # the process stands still before it goes on from here


@dataclass(frozen=True, slots=True)
class HopsOf:
    """The hops of one process's SQL connections."""

    faults: Faults
    process: str

    async def at(self, call: str, hop: Hop) -> None:
        await self.faults.at(Point(self.process, call, hop))
