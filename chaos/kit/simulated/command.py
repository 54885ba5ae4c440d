"""Faults on purpose, in simulated time: `simulate | replay | mutants` of a subject."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from chaos.kit.checkers import Anomaly, BadChecker
from chaos.kit.command import minutes, output_file, progress, whole_number
from chaos.kit.simulated.branches import BranchFailed
from chaos.kit.simulated.faults import BadReplay
from chaos.kit.simulated.hunt import Catch, hunt_named
from chaos.kit.simulated.nemeses import NEMESES
from chaos.kit.simulated.report import id_of, in_order, replay_command, report
from chaos.kit.simulated.runner import Run, Schedule, Simulator, is_fault, schedule_of, simulator
from chaos.kit.simulated.search import Undisturbed, singles
from chaos.kit.simulated.shrink import shrink
from chaos.kit.simulated.subject import Subject
from chaos.kit.simulated.workers import (
    Result,
    Workers,
    inject_part,
    never_reached,
    run_number,
    run_text,
    workers,
)
from system.kit.operations.arguments import Parser, unknown

T = TypeVar("T")

TOLD_MAX = 3
"""Failures that are shrunk and told at length."""
TRACE_LINES = 30
KINDS_MAX = 5
"""Of a checker's findings, so many different ones are told."""
PARTS = 8
"""Into so many parts is each workload's run cut, to be shared by the workers."""

NO_OTHERS: Mapping[str, str] = {}

DESCRIPTION = """\
Runs the whole system in one process, under a virtual clock, and hits it with faults.
A run is a function of its workload, seed and faults alone: its ID replays it anywhere.
"""
EPILOG = """\
workloads:
{workloads}

what may happen (each fault that can hit a point does so once, before chance begins):
{nemeses}

who judges:
{checkers}

examples:
{examples}

The exit status is 1 when a promise was broken, a mutant was not caught, or nothing happened that could
have broken a promise of --must-occur; 2 for a wrong call.
"""


def main(
    subject: Subject,
    arguments: Sequence[str] | None = None,
    *,
    examples: Sequence[str] = (),
    others: Mapping[str, str] = NO_OTHERS,
) -> int:
    """Run a command; the exit status.

    `others` are those that the caller serves: they are only named here, with what they do.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = _parser(subject, examples, others).parse_args(arguments)
    try:
        status: int = asked.command(subject, asked)
    except (BadReplay, BadChecker, BranchFailed) as bad:
        print(f"{subject.program}: {bad}", file=sys.stderr)
        return 2
    return status


def _parser(
    subject: Subject, examples: Sequence[str], others: Mapping[str, str]
) -> argparse.ArgumentParser:
    lists = {
        "workloads": "\n".join(f"  {w.name:<12}{w.what}" for w in subject.workloads.values()),
        "nemeses": "\n".join(f"  {n.name:<12}{n.what}" for n in NEMESES.values()),
        "checkers": "\n".join(
            f"  {c.name}\n      {c.promise.says}" for c in subject.checkers.values()
        ),
        "examples": "\n".join(f"  {example}" for example in examples),
    }
    made = Parser(
        subject.program,
        description=DESCRIPTION,
        epilog=EPILOG.format(**lists),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ("simulate", "replay", "mutants", *others)
    commands = made.add_subparsers(required=True, metavar=" | ".join(names))
    simulate = commands.add_parser("simulate", help="search for schedules that break a promise")
    length = simulate.add_mutually_exclusive_group()
    length.add_argument("--schedules", type=whole_number, default=2_000, metavar="N",
                        help="random schedules after the single faults (default: 2000)")  # fmt: skip
    length.add_argument("--minutes", type=minutes, metavar="M", help="random schedules for so long")
    simulate.add_argument("--seed", type=whole_number, default=1, metavar="S",
                          help="another seed is another search (default: 1)")  # fmt: skip
    simulate.add_argument("--workload", action="append", choices=list(subject.workloads), metavar="W",
                          help="this one alone; may be repeated")  # fmt: skip
    simulate.add_argument("--no-singles", action="store_true", help="leave out the single faults")
    simulate.add_argument("--fail-fast", action="store_true", help="stop at the first failure")
    simulate.add_argument("--must-occur", action="append", choices=["all", *subject.checkers],
                          default=[], metavar="CHECKER",
                          help="fail if nothing happened that could have broken its promise; "
                               "may be repeated, and 'all' is each of them")  # fmt: skip
    _common(simulate, "write the page of the first failure, made small, or of a run without faults")
    simulate.set_defaults(command=_simulate)
    example = next(iter(subject.workloads))
    replay = commands.add_parser("replay", help="run one schedule again, by its ID")
    replay.add_argument("id", help=f"as a failure prints it; '{example}/1' is a run without faults")
    replay.add_argument(
        "--mutant", type=partial(_mutant, subject), metavar="NAME", help="with this bug"
    )
    replay.add_argument("--trace", type=whole_number, metavar="LINES",
                        help=f"of the trace around the last fault (default: {TRACE_LINES}); "
                             "without a fault, from the start (default: none)")  # fmt: skip
    replay.add_argument(
        "--report", type=output_file, metavar="FILE", help="write the run's page here"
    )
    replay.set_defaults(command=_replay)
    mutants = commands.add_parser("mutants", help="switch classic bugs in, and see them caught")
    mutants.add_argument(
        "names", nargs="*", type=partial(_mutant, subject), metavar="NAME", help="all without one"
    )
    _common(mutants, "write the page of the last catch here")
    mutants.set_defaults(command=_mutants)
    for name, what in others.items():
        commands.add_parser(name, help=what)
    return made


def _common(parser: argparse.ArgumentParser, report_help: str) -> None:
    cores = os.cpu_count() or 1
    parser.add_argument("--jobs", type=whole_number, default=cores, metavar="J",
                        help=f"processes to use (default: the cores, {cores})")  # fmt: skip
    parser.add_argument("--report", type=output_file, metavar="FILE", help=report_help)


def _mutant(subject: Subject, name: str) -> str:
    if name not in subject.mutants:
        raise argparse.ArgumentTypeError(
            unknown("mutant", name, subject.mutants, page=subject.page)
        )
    return name


# --- simulate -------------------------------------------------------------------------------------


@dataclass
class _Search:
    """How far a search has come, and what it has found."""

    is_over_at_once: bool
    """Whether the first failure ends it."""
    count: int = 0
    failures: list[Result] = field(default_factory=list)
    tested: set[str] = field(default_factory=set)
    """The checkers whose promises could have been broken by now."""

    def is_over(self) -> bool:
        return self.is_over_at_once and bool(self.failures)

    def gather(self, what: str, total: int | None, results: Iterable[Result]) -> Iterator[Result]:
        """Count these results, until the search is over."""
        for result in progress(what, total, results):
            self.count += 1
            self.note(result)
            yield result
            if self.is_over():
                return

    def note(self, result: Result) -> None:
        """Keep a failure, and say so at once: a search may be long."""
        self.tested |= result.tested
        if result.failed:
            self.failures.append(result)
            seen = result.anomalies[0] if result.anomalies else "never reached"
            tqdm.write(f"FAILED after {self.count} schedules: {result.schedule}: {seen}")


def _simulate(subject: Subject, asked: argparse.Namespace) -> int:
    chosen = tuple(asked.workload or subject.workloads)
    began = _clock()
    search = _Search(asked.fail_fast)
    try:
        with workers(subject, max(1, asked.jobs)) as crew, simulator(subject) as here:
            _search(asked, chosen, search, crew, here)
    except KeyboardInterrupt:
        print(f"stopped: {_tally(search, began, subject, asked.seed)}")
        return 130
    missing = _never_tested(search, subject, asked.must_occur)
    print(_tally(search, began, subject, asked.seed))
    return 1 if search.failures or missing else 0


def _never_tested(search: _Search, subject: Subject, wanted: Sequence[str]) -> Sequence[str]:
    """Tell which promises nothing put to the test; those of them that are `wanted`."""
    idle = [name for name in subject.checkers if name not in search.tested]
    missing = [name for name in idle if name in wanted or "all" in wanted]
    if idle:
        print(f"nothing happened that could have broken: {', '.join(idle)}")
    if missing:
        print(f"FAILED: --must-occur asks for {', '.join(missing)}")
    return missing


def _search(
    asked: argparse.Namespace,
    chosen: tuple[str, ...],
    search: _Search,
    crew: Workers,
    here: Simulator,
) -> None:
    known = [
        text for text in here.subject.regressions if text.partition("/")[0].split("~")[0] in chosen
    ]
    _exhaust(search.gather("known failures", len(known), crew.map(run_text, known)))
    if asked.no_singles:
        print("single faults are left out; without --no-singles each hits each point")
    elif not search.is_over():
        _inject_all(crew, Undisturbed(here), chosen, asked.seed, search)
    if not search.is_over():
        count = None if asked.minutes else asked.schedules
        ran = crew.map(run_number, _numbers(asked, chosen))
        _exhaust(search.gather("random schedules", count, ran))
    if search.is_over():
        print("stopped at the first failure, as --fail-fast asks")
    shown = _tell_all(search.failures, here) or Schedule(chosen[0], asked.seed)
    _write_page(asked.report, shown, here)


def _tally(search: _Search, began: float, subject: Subject, seed: int) -> str:
    seconds, failed = _clock() - began, len(search.failures)
    return (
        f"{search.count} schedules in {seconds:.0f} s ({search.count / seconds:.0f}/s): "
        f"{f'{failed} FAILED' if failed else 'no promise broken'}; "
        f"{len(subject.checkers)} checkers, seed {seed}"
    )


def _exhaust(results: Iterator[Result]) -> None:
    for _ in results:
        pass


def _inject_all(
    crew: Workers, undisturbed: Undisturbed, chosen: Sequence[str], seed: int, search: _Search
) -> None:
    """Hit every point in every way. A point that none hit is a failure."""
    fields = {workload: undisturbed.field(workload, seed) for workload in chosen}
    wanted = {
        str(schedule): None
        for workload, field in fields.items()
        for schedule in singles(field, workload, seed)
    }
    count = len(wanted)
    parts = [
        (str(Schedule(workload, seed)), first, PARTS)
        for first in range(PARTS)
        for workload in chosen
    ]
    hit = chain.from_iterable(crew.map(inject_part, parts, chunk=1))
    for result in search.gather("single faults", count, hit):
        del wanted[result.schedule]
    if wanted and not search.is_over():
        tqdm.write(f"FAILED: {len(wanted)} points were never reached")
        search.failures += map(never_reached, wanted)
    points = sum(len(field.places) for field in fields.values())
    print(
        f"single faults: {count - len(wanted)} of {count} hit, at {points} fault points"
        f" of {len(chosen)} workloads"
    )


def _numbers(
    asked: argparse.Namespace, chosen: tuple[str, ...]
) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    until = _clock() + 60 * asked.minutes if asked.minutes else None
    number = 0
    while _clock() < until if until is not None else number < asked.schedules:
        yield number, asked.seed, chosen
        number += 1


def _tell_all(failures: Sequence[Result], here: Simulator) -> Schedule | None:
    """Tell a few failures of different kinds; the schedule that shows the first best."""
    told: dict[tuple[str, ...], Schedule] = {}
    for failure in failures:
        kinds = tuple(sorted({f"{found.checker}: {found.name}" for found in failure.anomalies}))
        if kinds in told or len(told) >= TOLD_MAX:
            continue
        if failure.anomalies:
            told[kinds] = _tell(failure, here)
        else:
            told[kinds] = schedule_of(here.subject, failure.schedule)
            print(f"\nNEVER REACHED: {failure.schedule}")
    return next(iter(told.values()), None)


def _tell(failure: Result, here: Simulator) -> Schedule:
    """One failure: who judged, the smallest schedule that still fails so, and how to see it."""
    first = failure.anomalies[0]

    def fails(schedule: Schedule) -> Run | None:
        run = here.run(schedule)
        return run if any(found.checker == first.checker for found in run.anomalies) else None

    failed = schedule_of(here.subject, failure.schedule)
    smallest = shrink(failed, here.subject.workloads[failed.workload].clients, fails)
    print(f"\nFAILED: {failure.schedule}\nshrunk: {smallest}")
    _print_run(here.run(smallest))
    print(f"replay: {replay_command(here.subject, smallest)}\n")
    return smallest


def _print_run(run: Run, trace_lines: int | None = None) -> None:
    print("trace:")
    for line in _traced(run, trace_lines):
        print(f"  {line}")
    print("what clients did:")
    for op in in_order(run.evidence.history):
        id, key = id_of(op), op.key
        more = f"{f', id {id}' if id else ''}{f', key {key}' if key else ''}"
        print(f"  {op.began_s:9.4f}  {op}{more}")
    for found in told_once(run.anomalies, run.subject.anomalies):
        print(f"  BROKEN {found}")


def _traced(run: Run, count: int | None) -> Iterator[str]:
    """Lines around the last fault. A run without one has no middle: its first, if any are wanted."""
    lines = run.trace.lines
    marks = [number for number, line in enumerate(lines) if is_fault(line)]
    if not marks and count is None:
        yield f"no fault, {len(lines)} lines; `replay` shows the first of them with --trace LINES"
        return
    count = TRACE_LINES if count is None else count
    first = max(0, marks[-1] - count // 2) if marks else 0
    for line in lines[first : first + count]:
        yield f"{line.time_s:9.4f}  {line.process:<11}{line.what}"


def told_once(anomalies: Iterable[Anomaly], meanings: Mapping[str, str]) -> Iterator[str]:
    """One line, and its explanation, for each name of each checker, however often it was found."""
    kinds: dict[str, dict[str, list[Anomaly]]] = {}
    for found in anomalies:
        kinds.setdefault(found.checker, {}).setdefault(found.name, []).append(found)
    for checker, names in kinds.items():
        for name, alike in islice(names.items(), KINDS_MAX):
            times = f" ({len(alike)} times; this is the first)" if len(alike) > 1 else ""
            yield f"{alike[0]}{times}\n         {meanings[name]}"
        if len(names) > KINDS_MAX:
            yield f"{checker}: {len(names) - KINDS_MAX} kinds more"


def _write_page(path: Path | None, schedule: Schedule, here: Simulator) -> None:
    if path is not None:
        path.write_text(report(here.run(schedule)), encoding="utf-8")
        print(f"report: {path}")


# --- replay ---------------------------------------------------------------------------------------


def _replay(subject: Subject, asked: argparse.Namespace) -> int:
    schedule = schedule_of(subject, asked.id)
    with simulator(subject) as here:
        run = here.run(schedule, subject.mutants[asked.mutant] if asked.mutant else None)
        healthy = here.run(schedule) if asked.mutant and asked.report else None
    _print_run(run, asked.trace)
    if asked.report is not None:
        asked.report.write_text(report(run, asked.mutant, healthy), encoding="utf-8")
        print(f"report: {asked.report}")
    for fault in run.never_injected:
        print(f"never reached: {fault}")
    if asked.mutant:
        print(f"mutant {asked.mutant}: its code was {_times(run.reached)}")
    print(
        f"{schedule}: {_verdict(run)}; {run.ended_s:.1f} s of virtual time; trace digest {run.digest}"
    )
    return 1 if run.anomalies or run.never_injected else 0


def _verdict(run: Run) -> str:
    if run.anomalies:
        return "BROKEN"
    return "NEVER REACHED, so nothing is shown" if run.never_injected else "kept all promises"


def _times(reached: int) -> str:
    if not reached:
        return "never reached: this run says nothing of it"
    return "reached once" if reached == 1 else f"reached {reached} times"


# --- mutants --------------------------------------------------------------------------------------


def _mutants(subject: Subject, asked: argparse.Namespace) -> int:
    names = asked.names or list(subject.mutants)
    began = _clock()
    catches: list[Catch] = []
    try:
        with workers(subject, max(1, asked.jobs)) as crew:
            print(f"{'mutant':<44}{'caught by':<30}{'after':>6}  replay")
            for catch in progress("mutants", len(names), crew.map(hunt_named, names, chunk=1)):
                catches.append(catch)
                tqdm.write(_line(catch))
    except KeyboardInterrupt:
        print(f"stopped: {_found(catches, len(names), began)}")
        return 130
    if asked.report is not None and catches[-1].schedule:
        with simulator(subject) as here:
            name = catches[-1].mutant
            schedule = schedule_of(subject, catches[-1].schedule)
            run, healthy = here.run(schedule, subject.mutants[name]), here.run(schedule)
            asked.report.write_text(report(run, name, healthy), encoding="utf-8")
    print(_found(catches, len(names), began))
    return 1 if _survivors(catches) else 0


def _survivors(catches: Sequence[Catch]) -> list[str]:
    return [catch.mutant for catch in catches if catch.checker is None]


def _found(catches: Sequence[Catch], of: int, began: float) -> str:
    survivors = _survivors(catches)
    verdict = f"SURVIVED: {', '.join(survivors)}" if survivors else "all caught"
    count = f"{of}" if len(catches) == of else f"{len(catches)} of {of}"
    return f"{count} mutants in {_clock() - began:.0f} s: {verdict}"


def _line(catch: Catch) -> str:
    caught_by = catch.checker or "NOT CAUGHT"
    return f"{catch.mutant:<44}{caught_by:<30}{catch.schedules:>6}  {catch.schedule or catch.why}"


# --- helpers --------------------------------------------------------------------------------------


def _clock() -> float:
    return time.monotonic()  # noqa: TID251 - how long a search takes is the real world's business
