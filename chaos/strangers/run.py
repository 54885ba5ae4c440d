"""One run: start the stranger, let clients work while faults fault, wait for rest, gather, judge."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_
from pathlib import Path
from random import Random

from chaos.kit.blackbox import (
    PROMISES,
    Blind,
    Command,
    Do,
    Fault,
    Observations,
    Record,
    Shown,
    Sight,
    Stranger,
    Told,
    Unreadable,
    Verdict,
    judge,
    not_borne_out,
    without,
)
from chaos.strangers.adapters import BadAdapter, events_of
from chaos.strangers.callers import Caller, Shared
from chaos.strangers.faults import Nemesis, plan, turns
from chaos.strangers.ground import Ground
from chaos.strangers.processes import NotReady, Running, look_after, start_all
from chaos.strangers.sender import Sender
from chaos.strangers.topics import Topics
from chaos.strangers.watch import Watch
from scenarios.harness.servers.common import say

LOOK_S = 2.0
REST_TIMES = 5
"""So many times as long as it may take to come to rest is a backlog waited for that gets smaller."""
SCARCE_TIMES = 1.5
"""So many times as much as it holds is asked of the scarce account, if it is that for certain."""
READ_S = 0.2
"""So often a client's newest thing is read while there are faults: what an outage shows, it shows for seconds."""
AT_ONCE = 8
"""Reads that are under way at rest."""

Wish = tuple[Do, str, dict[str, Shown]]
"""What to read, of what, and where to."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run shall be."""

    seed: int
    seconds: float | None = None
    """Of work under faults. None: until each fault has hit once."""


@dataclass
class Result:
    """What came of a run."""

    evidence: Observations
    verdicts: Sequence[Verdict]


@dataclass
class Readings:
    """What is read of all things and accounts, on both sides."""

    read: dict[str, Shown] = field(default_factory=dict)
    viewed: dict[str, Shown] = field(default_factory=dict)
    held: dict[str, Shown] = field(default_factory=dict)
    held_in_views: dict[str, Shown] = field(default_factory=dict)
    unanswered: int = 0


async def run(stranger: Stranger, adapter: Path, logs: Path, wanted: Wanted) -> Result:
    """Raises BadAdapter, CannotBegin, and groups of NotReady, Missing and NotStarted."""
    async with Ground(stranger) as ground:
        processes = {
            process.name: Running(
                process,
                ground.command(process),
                ground.environment(process),
                port=ground.ports[process.name],
                adapter=adapter,
                logs=logs,
            )
            for process in stranger.processes
        }
        topics = Topics(ground.kafka.address, stranger.topics)
        try:
            if stranger.topics:
                await topics.make()
            await start_all(processes)
            if stranger.topics:
                await topics.follow()
            say(f"{stranger.name}: {len(processes)} processes are ready")
            async with Sender(lambda name: processes[name].url) as sender:
                return await Judging(ground, processes, topics, sender, wanted).judged()
        finally:
            await asyncio.gather(*(running.kill() for running in processes.values()))
            await topics.close()


class Judging:
    def __init__(
        self,
        ground: Ground,
        processes: Mapping[str, Running],
        topics: Topics,
        sender: Sender,
        wanted: Wanted,
    ) -> None:
        self._ground = ground
        self._stranger = ground.stranger
        self._processes = processes
        self._topics = topics
        self._wanted = wanted
        self._random = Random(f"callers {wanted.seed}")
        self._shared = Shared(self._stranger, sender)
        self._auditor = self._caller(0)
        self._poison: dict[str, list[bytes]] = {}

    def _caller(self, number: int) -> Caller:
        return Caller(number, self._shared, Random(f"{number} {self._wanted.seed}"))

    async def judged(self) -> Result:
        stranger = self._stranger
        callers = [self._caller(number + 1) for number in range(stranger.workload.clients)]
        for caller in (self._auditor, *callers):
            await caller.begin()
        await self._auditor.open_accounts()
        await self._put_poison_in()
        faults, missing = await self._disturb(callers)
        say("healed; waiting for rest")
        return await self.judged_at_rest(faults, missing)

    async def judged_at_rest(self, faults: Sequence[Fault], missing: Sequence[str]) -> Result:
        """Wait for rest, gather, judge. `missing` are those that did not come back."""
        stranger = self._stranger
        came, readings = await self.come_to_rest()
        evidence = self._evidence(faults, [*missing, *came], readings)
        if hint := hardly_scarce(evidence):
            say(hint)
        taken_back = [
            *(Blind(Sight.GROUPS, why) for why in await self._without_lag()),
            *not_borne_out(evidence, stranger.sees),
        ]
        unseen = reduce(or_, (blind.sight for blind in taken_back), Sight(0))
        verdicts = judge(
            without(evidence, unseen),
            PROMISES,
            sees=stranger.sees & ~unseen,
            blind=[*stranger.blind, *taken_back],
            known=stranger.known,
        )
        return Result(evidence, verdicts)

    async def _put_poison_in(self) -> None:
        if Sight.DEAD_LETTERS not in self._stranger.sees:
            return
        for topic in self._stranger.topics:
            value = self._stranger.poison(topic.name)
            if not isinstance(value, bytes | None):
                raise BadAdapter(
                    f"poison({topic.name!r}) gave {value!r}, and neither bytes nor None"
                )
            if value is not None and topic.dead_letters:
                await self._topics.put_in(topic.name, value)
                self._poison.setdefault(topic.dead_letters, []).append(value)

    async def _disturb(self, callers: Sequence[Caller]) -> tuple[list[Fault], list[str]]:
        """Let them work while faults hit; the faults, and who did not come back."""
        is_over = asyncio.Event()
        killed: set[str] = set()
        watch = Watch(self._stranger, self._topics.records, self._shared.ops, self._amounts)
        nemesis = Nemesis(self._ground, self._processes, self._topics, watch, killed, self._random)
        planned = plan(self._stranger, self._ground.lines, self._wanted.seed)
        missing: list[str] = []
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(look_after(self._processes, killed))
            working = [tasks.create_task(caller.work(is_over)) for caller in callers]
            working.append(tasks.create_task(self._read_on(callers, is_over)))
            began_s = _now()
            try:
                await nemesis.until_it_flows()
                for fault in turns(planned, self._ends_at_s(began_s)):
                    say(f"{_now() - began_s:6.1f} s  {len(self._shared.ops):5} commands; {fault}")
                    await nemesis.inject(fault)
            except NotReady as error:
                missing.append(str(error))
            is_over.set()
            # each client ends: a request has a bound, and is repeated ten times at most
            await asyncio.wait(working)
            watching.cancel()
        return nemesis.faults, missing

    async def _read_on(self, callers: Sequence[Caller], is_over: asyncio.Event) -> None:
        """Read the newest thing of each client, on both sides, again and again until it is over."""
        while not is_over.is_set():
            for thing in (caller.newest for caller in callers):
                if thing:
                    await self._auditor.ask(Command("read", thing))
                    await self._auditor.ask(Command("view", thing))
            await asyncio.sleep(READ_S)

    def _ends_at_s(self, began_s: float) -> float | None:
        return None if self._wanted.seconds is None else began_s + self._wanted.seconds

    # --- rest -------------------------------------------------------------------------------------

    async def come_to_rest(self) -> tuple[list[str], Readings]:
        """Wait until no lag, no end and no reading has moved for longer than the longest poll."""
        killed: set[str] = set()
        watching = asyncio.create_task(look_after(self._processes, killed))
        try:
            return await self._quiet()
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    async def _quiet(self) -> tuple[list[str], Readings]:
        """A backlog that gets smaller is waited for: what is slow is not at fault."""
        rest_s = self._stranger.rest_s
        began = progress_at = quiet_since = _now()
        before: object = None
        least: int | None = None
        while True:
            ends = await self._topics.ends()
            lags = await self._topics.lags(ends) if self._sees_groups else {}
            readings = await self._readings()
            if least is None or sum(lags.values()) < least:
                least, progress_at = sum(lags.values()), _now()
            if lags or readings.unanswered or (ends, readings) != before:
                quiet_since = _now()
            before = ends, readings
            is_quiet = _now() - quiet_since > self._stranger.quiet_s
            if is_quiet and await self._topics.is_read():
                return [], readings
            if _now() > min(progress_at + rest_s, began + REST_TIMES * rest_s):
                return _missing(lags, readings, _now() - began), readings
            await asyncio.sleep(LOOK_S)

    @property
    def _sees_groups(self) -> bool:
        return bool(self._stranger.topics) and Sight.GROUPS in self._stranger.sees

    async def _without_lag(self) -> list[str]:
        """Why lags could not be seen, though the adapter says that they can be."""
        return (
            await self._topics.without_lag(await self._topics.ends()) if self._sees_groups else []
        )

    async def _readings(self) -> Readings:
        things = self._things()
        readings = Readings()
        wanted: list[Wish] = []
        for thing in things:
            wanted += [("read", thing, readings.read), ("view", thing, readings.viewed)]
        for account in self._shared.opened:
            wanted += [
                ("read account", account, readings.held),
                ("view account", account, readings.held_in_views),
            ]
        readings.unanswered = await self._read_all(wanted)
        return readings

    async def _read_all(self, wanted: Sequence[Wish]) -> int:
        """How many were not answered."""
        unanswered = 0
        for start in range(0, len(wanted), AT_ONCE):
            part = wanted[start : start + AT_ONCE]
            unanswered += sum(await asyncio.gather(*(self._read_into(*one) for one in part)))
        return unanswered

    async def _amounts(self) -> Mapping[str, int]:
        """What accounts show, those that can be read just now."""
        shown: dict[str, Shown] = {}
        await self._read_all([("read account", one, shown) for one in self._shared.opened])
        return {name: one.amount for name, one in shown.items() if one.amount is not None}

    async def _read_into(self, do: Do, about: str, shown: dict[str, Shown]) -> bool:
        """Whether there was no answer."""
        op = await self._auditor.ask(Command(do, about))
        if op is not None and op.ok:
            shown[about] = op.meant.shows or Shown()
        return op is not None and op.meant.outcome == "info"

    def _things(self) -> list[str]:
        evidence = self._evidence((), (), Readings())
        return sorted(evidence.placed.keys() | evidence.told_of.keys())

    # --- evidence ---------------------------------------------------------------------------------

    def _evidence(
        self, faults: Sequence[Fault], missing: Sequence[str], readings: Readings
    ) -> Observations:
        stranger = self._stranger
        letters = {topic.dead_letters for topic in stranger.topics if topic.dead_letters}
        records = sorted(
            self._topics.records, key=lambda one: (one.topic, one.partition, one.offset)
        )
        told, unreadable = decoded(
            stranger,
            (record for record in records if record.topic not in letters),
            {value for values in self._poison.values() for value in values},
        )
        return Observations(
            stranger.states,
            stranger.tells,
            tuple(self._shared.ops),
            told,
            unreadable,
            dict(self._shared.opened),
            readings.read,
            readings.viewed,
            readings.held,
            readings.held_in_views,
            tuple(faults),
            tuple(missing),
            tuple(self._processes),
            [fall for running in self._processes.values() for fall in running.falls],
            self._poison,
            {
                topic: [_unwrapped(stranger, record) for record in records if record.topic == topic]
                for topic in letters
            },
            mark_is_amount=stranger.workload.mark_is_amount,
        )


def hardly_scarce(evidence: Observations) -> str:
    """What to do where more of the first account was there than clients have asked for; else nothing."""
    if not evidence.opened:
        return ""
    account, held = next(iter(evidence.opened.items()))
    asked = -sum(
        min(op.command.moves.get(account, 0), 0) for op in evidence.ops if not op.is_unheard
    )
    if asked >= SCARCE_TIMES * held:
        return ""
    return (
        f"account {account} is to be scarce, but of the {held} that it held only {asked} were asked for:"
        " what follows from having too little may not have happened. Open it with less, by `scarce` of"
        " `workload`, or judge for longer, by --seconds"
    )


def decoded(
    stranger: Stranger, records: Iterable[Record], poison: Collection[bytes]
) -> tuple[list[Told], list[tuple[Record, str]]]:
    """What records tell, and those that cannot be read. Raises BadAdapter."""
    told: list[Told] = []
    unreadable: list[tuple[Record, str]] = []
    for record in records:
        if record.value in poison:
            continue
        try:
            events = events_of(stranger, record)
        except Unreadable as error:
            unreadable.append((record, str(error)))
            continue
        told += [Told(event, record) for event in events]
    return told, unreadable


def _unwrapped(stranger: Stranger, record: Record) -> Record:
    """A dead letter with the bytes that were put in. Raises BadAdapter."""
    seen = f"for {record.place} {record.value[:200]!r}"
    try:
        value = stranger.letter(record)
    except Exception as error:
        raise BadAdapter(f"letter() raised {type(error).__name__}: {error} {seen}") from error
    if not isinstance(value, bytes):
        raise BadAdapter(f"letter() gave {value!r}, and no bytes, {seen}")
    return replace(record, value=value)


def _missing(lags: Mapping[str, int], readings: Readings, waited_s: float) -> list[str]:
    what = [f"group {group} lags by {lag}" for group, lag in lags.items()]
    if readings.unanswered:
        what.append(f"{readings.unanswered} reads are not answered")
    return [f"{one}, {waited_s:.0f} s after the last fault" for one in what or ["it still moves"]]


def _now() -> float:
    return asyncio.get_running_loop().time()
