"""Runs one schedule from its start to quiescence, and hands the evidence to the checkers."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from sqlalchemy import create_engine

from chaos.kit.checkers import judge
from chaos.kit.clients import Client
from chaos.kit.evidence import Evidence
from chaos.kit.history import History
from chaos.kit.promises import Anomaly, BadChecker, Verdict, anomalies_of
from chaos.kit.simulated.branches import Branches, BranchFailed, FaultsAt
from chaos.kit.simulated.clients import connected
from chaos.kit.simulated.faults import (
    BadReplay,
    Fault,
    Faults,
    Place,
    PointFault,
    Seen,
    TimedFault,
    Trace,
)
from chaos.kit.simulated.loop import SimulatedLoop
from chaos.kit.simulated.mutant import Mutant, Reached, Switch
from chaos.kit.simulated.nemeses import disturb
from chaos.kit.simulated.parts import (
    EPOCH,
    Cluster,
    Engines,
    Given,
    Plan,
    fill,
    lean,
    stores,
)
from chaos.kit.simulated.possible import check_clients, fault_of
from chaos.kit.simulated.sqlite_inline import File
from chaos.kit.simulated.subject import Item, Subject
from chaos.kit.simulated.workload import Workload
from chaos.kit.systems import group_of_views
from system.kit.operations.arguments import unknown
from system.kit.ports.log import Partition
from system.kit.ports.views import Document

R = TypeVar("R")
Branching = Callable[[Place], PointFault | None]

QUIET_EVERY_S = 0.2
QUIET_TIMES = 2
ENDINGS_MAX = 20
"""So often is what was killed made to give up what it waits for."""
CLIENTS_WITHIN_S = 300.0
"""All scripts end by then, whatever fails."""
QUIET_WITHIN_S = 240.0
"""From the last fault's end to rest; far more than the longest retry schedule takes."""


@dataclass(frozen=True)
class Schedule:
    """What determines a run: workload, seed and faults. Its text form replays it."""

    workload: str
    seed: int
    faults: tuple[Fault, ...] = ()
    without: frozenset[str] = frozenset()
    """Clients that are left out."""

    def __str__(self) -> str:
        workload = "~".join((self.workload, *sorted(self.without)))
        return "/".join((workload, str(self.seed), *map(str, self.faults)))


def schedule_of(subject: Subject, text: str) -> Schedule:
    """Read a replay ID. Raises BadReplay, also of what can hit nothing."""
    story, slash, rest = text.partition("/")
    seed, *faults = rest.split("/")
    name, *without = story.split("~")
    if name not in subject.workloads:
        raise BadReplay(unknown("workload", name, subject.workloads))
    if not slash:
        raise BadReplay(f"{text!r} has no seed; a run without faults is {name}/1")
    if not seed.isdecimal():
        raise BadReplay(f"{seed!r} is not a seed")
    workload = subject.workloads[name]
    check_clients(without, workload)
    return Schedule(
        name,
        int(seed),
        tuple(fault_of(subject, fault, workload) for fault in faults),
        frozenset(without),
    )


def is_fault(line: Seen) -> bool:
    """Whether this line of a trace is where a fault came."""
    return line.what.startswith(("INJECTED ", "BEGUN "))


@dataclass
class Run:
    """What came of a schedule."""

    subject: Subject
    schedule: Schedule
    evidence: Evidence
    trace: Trace
    places: Sequence[Place]
    ended_s: float
    started_at: datetime = EPOCH
    """What its clock showed at 0 s."""
    lag: Sequence[tuple[float, int]] = ()
    """At these times, so many records were still to be read."""
    verdicts: list[Verdict] = field(default_factory=list)
    reached: int = 0
    """How often the run came to the code of the mutant that was switched in."""

    def judge(self) -> None:
        """Let each checker judge. Raises BadChecker."""
        try:
            checkers, meanings = self.subject.checkers.values(), self.subject.anomalies
            self.verdicts = judge(self.evidence, checkers, meanings)
        except BadChecker as bad:
            raise BadChecker(f"{bad} ({self.subject.program} replay {self.schedule})") from bad

    @property
    def anomalies(self) -> list[Anomaly]:
        return anomalies_of(self.verdicts)

    @property
    def digest(self) -> str:
        return self.trace.digest

    @property
    def never_injected(self) -> list[Fault]:
        """The faults that never came: their point was not reached, or was hit by another."""
        happened = {line.what.partition(" ")[2] for line in self.trace.lines if is_fault(line)}
        return [fault for fault in self.schedule.faults if str(fault) not in happened]


class Simulator:
    """Runs schedules one after the other, on engines and a given world that are kept warm."""

    def __init__(self, subject: Subject, directory: Path) -> None:
        self.subject = subject
        self._directory = directory
        self._file = File(directory / "schedule.sqlite")
        self._engines = Engines()
        self._given: Given | None = None

    @property
    def given(self) -> Given:
        """What the subject sets up, made by the system itself, once."""
        if self._given is None:
            subject = self.subject
            blank = Given(_blank_database(subject, self._directory))
            schedule = Schedule(subject.setting_up.name, 0)
            run, loop_s = self._simulate(schedule, subject.setting_up, blank, Switch())
            if run.evidence.missing:
                raise AssertionError(f"the given world is not at rest: {run.evidence.missing}")
            self._given = Given(
                database=self._file.path.read_bytes(),
                messages=tuple(
                    record.message
                    for topic in subject.system.topics
                    for record in run.evidence.log[topic]
                ),
                started_at=EPOCH + timedelta(seconds=loop_s + 60),
            )
            gc.freeze()  # what is warm now stays: no need to look through it after each schedule
        return self._given

    def run(self, schedule: Schedule, mutant: Mutant | None = None) -> Run:
        """Run a schedule, perhaps with a bug switched in, and judge it."""
        workload, given = self.subject.workloads[schedule.workload], self.given
        if mutant is None:
            run, _ = self._simulate(schedule, workload, given, Switch())
        else:
            reached = Reached()
            with mutant.switched_in(reached) as switch:
                run, _ = self._simulate(schedule, workload, given, switch)
            run.reached = reached.times
        run.judge()
        return run

    def branches(
        self, schedule: Schedule, faults_at: FaultsAt, result: Callable[[Run], R]
    ) -> list[R]:
        """Run a schedule once, and each of these faults from its point on; what came of each.

        Raises BranchFailed.
        """
        branches = Branches[R](faults_at, self._file.path)

        def tell(run: Run) -> None:
            if branches.is_branch:
                run.judge()
                branches.tell(result(run))

        workload, given = self.subject.workloads[schedule.workload], self.given
        try:
            self._simulate(schedule, workload, given, Switch(), branches.at, tell)
        except BaseException:
            if branches.is_branch:
                branches.give_up()
            raise
        if branches.failed is not None:
            raise BranchFailed(branches.failed)
        return branches.told

    def _simulate(
        self,
        schedule: Schedule,
        workload: Workload,
        given: Given,
        switch: Switch,
        branching: Branching | None = None,
        ended: Callable[[Run], None] = lambda _: None,
    ) -> tuple[Run, float]:
        gc.disable()
        try:
            return self._in_a_loop(schedule, workload, given, switch, branching, ended)
        finally:
            # now, and with nothing left that holds them: the dead of this run, collected later,
            # would wake up in another one. The youngest alone are looked through: none has grown older
            # while nothing was collected
            self._engines.forget()
            with _unseen_errors():
                gc.collect(0)
            gc.enable()

    def _in_a_loop(
        self,
        schedule: Schedule,
        workload: Workload,
        given: Given,
        switch: Switch,
        branching: Branching | None,
        ended: Callable[[Run], None],
    ) -> tuple[Run, float]:
        loop = SimulatedLoop()
        asyncio.set_event_loop(loop)
        with lean():
            try:
                simulation = _Simulation(
                    self.subject, schedule, workload, given, switch, self._file, loop
                )
                if branching is not None:
                    simulation.branch_by(branching)
                run = loop.run_until_complete(simulation.main(self._engines))
                ended(run)
                simulation.end()
                return run, loop.time()
            finally:
                with _unseen_errors():
                    _close(loop)
                asyncio.set_event_loop(None)

    def close(self) -> None:
        self._file.close()


class _Simulation:
    """One run."""

    def __init__(
        self,
        subject: Subject,
        schedule: Schedule,
        workload: Workload,
        given: Given,
        switch: Switch,
        file: File,
        loop: SimulatedLoop,
    ) -> None:
        self.subject = subject
        self.schedule = schedule
        self.workload = workload
        self.given = given
        self.blueprint = switch.blueprint(subject.blueprint)
        self.parts = switch.parts
        self.trace = Trace()
        self.history = History()
        self.stores = stores(subject.system, given, file, loop)
        self.faults = Faults(schedule.faults, Random(f"hops {schedule.seed}"), self.trace, loop)
        self.duplicated = 0
        self.cluster: Cluster | None = None
        self.lag: list[tuple[float, int]] = []

    def branch_by(self, branching: Branching) -> None:
        """Let a branch have its fault at each point; the schedule is then the one that foresaw it."""

        def branch(place: Place) -> PointFault | None:
            fault = branching(place)
            if fault is not None:
                self.schedule = replace(self.schedule, faults=(*self.schedule.faults, fault))
            return fault

        self.faults.branching = branch

    async def main(self, engines: Engines) -> Run:
        schedule = self.schedule
        plan = Plan(
            f"{schedule.workload}/{schedule.seed}",
            self.workload.processes,
            self.blueprint,
            self.parts,
            self.given.started_at,
            self.subject.api_of,
        )
        cluster = self.cluster = Cluster(plan, self.stores, self.faults, engines)
        with_views = not self.workload.builds_views
        await fill(self.stores, self.subject.system, self.given, with_views=with_views)
        if self.workload.begins_at_once:
            self.faults.begin()
        await cluster.start()
        await self._views_are_built()
        if not self.faults.are_on():
            await asyncio.sleep(self.workload.begins_at_s)
            self.faults.begin()
        timed_faults = [fault for fault in schedule.faults if isinstance(fault, TimedFault)]
        watching = asyncio.ensure_future(self._watch_lag())
        disturbing = asyncio.ensure_future(disturb(timed_faults, cluster, self.trace))
        clients = [
            script(connected(name, cluster, self.history, Random(f"{name} {schedule.seed}")))
            for name, script in self.workload.clients.items()
            if name not in schedule.without
        ]
        if self.workload.inject is not None:
            clients.append(self.workload.inject(cluster))
        try:
            async with asyncio.timeout(CLIENTS_WITHIN_S):
                await asyncio.gather(*clients)
            self.duplicated = await disturbing
            missing = await self._come_to_rest(cluster)
        except TimeoutError:
            missing = ["clients get no answers"]
        self.faults.end()
        watching.cancel()
        self._note_lag()
        auditor = connected("auditor", cluster, History(), Random("auditor"))
        shown = {} if missing else await self._shown(auditor)
        return Run(
            self.subject,
            self.schedule,
            self._evidence(cluster, missing, shown),
            self.trace,
            tuple(self.faults.places),
            asyncio.get_running_loop().time(),
            self.given.started_at,
            tuple(self.lag),
        )

    async def _views_are_built(self) -> None:
        """Let clients begin when there is something to read, unless a fault is in the way."""
        for _ in range(10):
            if (await self.stores.views.generations()).live is not None:
                return
            await asyncio.sleep(0.1)

    async def _come_to_rest(self, cluster: Cluster) -> list[str]:
        """Wait for quiescence; what is missing for it, if it does not come in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + QUIET_WITHIN_S
        quiet_times = 0
        while quiet_times < QUIET_TIMES:
            await asyncio.sleep(QUIET_EVERY_S)
            missing = list(self._missing(cluster))
            quiet_times = 0 if missing else quiet_times + 1
            if missing and (loop.time() > deadline or cluster.is_lost):
                return missing
        return []

    async def _watch_lag(self) -> None:
        """Note the lag now and then; it is looked at from outside and disturbs nothing."""
        pause_s = 0.05
        while True:
            self._note_lag()
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.2, 1.0)

    def _note_lag(self) -> None:
        now = asyncio.get_running_loop().time()
        self.lag.append((now, sum(lag for _, lag in self._lags())))

    def _missing(self, cluster: Cluster) -> Iterator[str]:
        if not cluster.is_whole:
            yield "a process is not up"
        if not self.stores.database.is_quiet:
            yield "a transaction is open"
        unsent = self._reading.execute(
            "SELECT count(*) FROM outbox WHERE processed_at IS NULL"
        ).fetchone()[0]
        if unsent:
            yield f"{unsent} events are in the outbox"
        generations = self.stores.views.current
        if generations.live is None or generations.building is not None:
            yield "views are being built"
        for group, lag in self._lags():
            if lag:
                yield f"{group} has {lag} records to read"

    def _lags(self) -> Iterator[tuple[str, int]]:
        """How many records each group has still to read."""
        broker = self.stores.broker
        for group, places in self._groups():
            committed = broker.committed(group)
            yield group, sum(broker.end(place) - committed.get(place, 0) for place in places)

    def _groups(self) -> Iterator[tuple[str, Sequence[Partition]]]:
        broker, system = self.stores.broker, self.blueprint.system
        for role in self._readers:
            yield role, broker.partitions(system.handlers_of(role))
        live = self.stores.views.current.live
        if live is not None:
            yield group_of_views(system, live), broker.partitions(system.topics)

    @cached_property
    def _readers(self) -> list[str]:
        """The roles of this workload that handle events of the write side."""
        roles = {role for roles in self.workload.processes.values() for role in roles}
        return [role for role in sorted(roles) if self.blueprint.system.handlers_of(role)]

    @cached_property
    def _reading(self) -> sqlite3.Connection:
        """A look at the database that is no part of the run."""
        return self.stores.database.file.take()

    def _evidence(
        self, cluster: Cluster, missing: Sequence[str], shown: dict[str, list[dict[str, Any]]]
    ) -> Evidence:
        broker = self.stores.broker
        log = {}
        for topic in self.subject.system.all_topics:
            log[topic] = [
                record
                for place in broker.partitions([topic])
                for record in broker.records(place, 0, broker.end(place))
            ]
        return Evidence(
            self.subject.system,
            history=tuple(self.history.ops),
            tables={table: self._rows(table) for table in self.subject.table_names},
            log=log,
            views={view.name: self._documents(view.name) for view in self.subject.system.views},
            shown=shown,
            missing=tuple(missing),
            failures=tuple(cluster.failures),
            disturbances=len(self.schedule.faults) + cluster.restarts,
            duplicated=self.duplicated,
            stalled=_stalled(self.schedule),
            freezes=tuple(self.stores.views.frozen),
            put_in=frozenset(cluster.put_in),
            emitted_under=tuple(cluster.emitted_under),
        )

    async def _shown(self, auditor: Client) -> dict[str, list[Item]]:
        """What the query side answers when it is asked for everything."""
        shown = {}
        for view in self.subject.system.views:
            answer = await auditor.read(f"/{view.name}?limit=500")
            items = answer.json[view.name] if answer.ok else []
            shown[view.name] = [self.subject.shown(item) for item in items]
        return shown

    def _rows(self, table: str) -> list[dict[str, Any]]:
        rows = self._reading.execute(f"SELECT * FROM {table}")  # noqa: S608
        columns = [column[0] for column in rows.description]
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def _documents(self, view: str) -> dict[int, Document]:
        store = self.stores.views
        live = store.current.live
        return {} if live is None else dict(store.view(live, view).documents)

    def end(self) -> None:
        """Kill what still runs."""
        self.stores.database.file.give_back(self._reading)
        if self.cluster is not None:
            for process in self.cluster.processes.values():
                process.incarnation.kill()
        self.stores.database.drop()


def _stalled(schedule: Schedule) -> frozenset[str]:
    """The partitions that were stalled, in a schedule of nothing else."""
    stalls = [
        fault.target
        for fault in schedule.faults
        if isinstance(fault, TimedFault) and fault.kind == "stall"
    ]
    return frozenset(stalls if len(stalls) == len(schedule.faults) else ())


def _close(loop: SimulatedLoop) -> None:
    """Close a loop in which some never ended, and end them.

    A coroutine that waits for SQL waits within a greenlet, which the garbage collector cannot see
    through: left alone, it would keep the whole run in memory for ever.
    """
    loop.set_exception_handler(lambda *_: None)
    tasks = asyncio.all_tasks(loop)
    loop.close()
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
        coroutine = task.get_coro()
        for _ in range(ENDINGS_MAX):
            try:
                if coroutine is not None:
                    coroutine.close()
                break
            except Exception:  # noqa: BLE001, S112 - it waits for something else, at its end
                continue


@contextmanager
def _unseen_errors() -> Iterator[None]:
    """What the `finally` of a killed task complains of, when it is ended, is no matter."""
    before = sys.unraisablehook
    sys.unraisablehook = lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.unraisablehook = before


def _blank_database(subject: Subject, directory: Path) -> bytes:
    path = directory / "blank.sqlite"
    path.unlink(missing_ok=True)
    engine = create_engine(f"sqlite:///{path}")
    for tables in subject.tables:
        tables.create_all(engine)
    engine.dispose()
    return path.read_bytes()


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """A directory in memory, where there is such a place."""
    memory = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
    with tempfile.TemporaryDirectory(
        prefix="chaos-", dir=memory if memory.is_dir() else None
    ) as directory:
        yield Path(directory)


@contextmanager
def simulator(subject: Subject) -> Iterator[Simulator]:
    """A simulator with a directory of its own."""
    with scratch_directory() as directory, closing(Simulator(subject, directory)) as simulator:
        yield simulator
