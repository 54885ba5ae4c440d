"""Runs schedules on all cores: one simulator in each worker process, kept warm."""

from __future__ import annotations

import gc
import multiprocessing
import multiprocessing.pool
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TypeVar

from chaos.kit.checkers import Anomaly
from chaos.kit.simulated.faults import Place, PointFault, distinct_kinds_at
from chaos.kit.simulated.runner import Run, Schedule, Simulator, schedule_of, scratch_directory
from chaos.kit.simulated.search import Undisturbed, random_schedule
from chaos.kit.simulated.subject import Subject

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Result:
    """What a worker says of one schedule."""

    schedule: str
    digest: str
    anomalies: tuple[Anomaly, ...]
    tested: frozenset[str] = frozenset()
    """The checkers of which something happened that could have broken the promise."""
    is_missed: bool = False
    """Whether its point was to be hit, and was not reached."""

    @property
    def failed(self) -> bool:
        return self.is_missed or bool(self.anomalies)


@dataclass(slots=True)
class Worker:
    """What a process keeps warm."""

    simulator: Simulator
    undisturbed: Undisturbed


_worker: Worker | None = None


def worker() -> Worker:
    """This process's simulator."""
    assert _worker is not None, "`workers` begins one in each process"
    return _worker


def _begin(subject: Subject, scratch: Path) -> None:
    global _worker  # noqa: PLW0603 - one for each process, which is what a global is
    simulator = Simulator(subject, Path(tempfile.mkdtemp(dir=scratch)))
    _worker = Worker(simulator, Undisturbed(simulator))


def result_of(run: Run) -> Result:
    tested = frozenset(each.promise for each in run.verdicts if each.was_tested)
    return Result(str(run.schedule), run.digest, tuple(run.anomalies), tested)


def never_reached(text: str) -> Result:
    """A schedule of a single fault that nothing came by."""
    return Result(text, "", (), is_missed=True)


def run_text(text: str) -> Result:
    """Run the schedule that this ID names; one whose faults never come shows nothing any more."""
    simulator = worker().simulator
    run = simulator.run(schedule_of(simulator.subject, text))
    return replace(result_of(run), is_missed=bool(run.never_injected))


def inject_part(task: tuple[str, int, int]) -> list[Result]:
    """Hit every `parts`th point of this schedule's run, from the `first` on, in every way."""
    text, first, parts = task
    numbers = count()

    def faults_at(place: Place) -> list[PointFault]:
        if next(numbers) % parts != first:
            return []
        return [PointFault(kind, place) for kind in distinct_kinds_at(place)]

    simulator = worker().simulator
    return simulator.branches(schedule_of(simulator.subject, text), faults_at, result_of)


def run_number(task: tuple[int, int, tuple[str, ...]]) -> Result:
    """Run the random schedule of this number, seed and choice of workloads."""
    number, seed, workloads = task
    here = worker()
    schedule: Schedule = random_schedule(here.undisturbed, number, seed, workloads)
    return result_of(here.simulator.run(schedule))


class Workers:
    """All worker processes."""

    def __init__(self, pool: multiprocessing.pool.Pool | None) -> None:
        self._pool = pool

    def map(self, work: Callable[[T], R], tasks: Iterable[T], *, chunk: int = 8) -> Iterator[R]:
        """Results as they come, in any order."""
        if self._pool is None:
            return map(work, tasks)
        return self._pool.imap_unordered(work, tasks, chunk)


@contextmanager
def workers(subject: Subject, jobs: int) -> Iterator[Workers]:
    """As many workers as wanted; with one, the work is done in this process."""
    with scratch_directory() as directory:
        if jobs == 1:
            _begin(subject, directory)
            yield Workers(None)
            return
        with multiprocessing.get_context("spawn").Pool(
            jobs, _begin_alone, (subject, directory)
        ) as pool:
            yield Workers(pool)


def _begin_alone(subject: Subject, scratch: Path) -> None:
    """In a process of its own: Ctrl-C is for the parent to hear; it ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _begin(subject, scratch)
    gc.collect()
