"""Named scenarios, one after the other on one system, each judged at its end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from statistics import median

from chaos.kit.promises import Anomaly, Verdict, anomalies_of
from chaos.kit.servers.scenario import (
    Course,
    NotAsPromised,
    NothingHappened,
    NotInjected,
    Scenario,
)
from chaos.kit.servers.timeline import Timeline
from chaos.kit.verdicts import counted
from chaos.real import kept, report
from chaos.real.gathered import REST_S
from chaos.real.mechanisms import MECHANISMS
from chaos.real.promises import PROMISES
from chaos.real.stage import FAILS_BY, Stage
from chaos.shop.checkers import ANOMALIES, judge
from scenarios.harness.servers.common import say
from system.kit.errors import Conflict, Unavailable

BOUND_S = 1_200.0
"""Of one scenario, on a machine that is very busy; each wait in it has a shorter one."""
FAILED_REST_S = 30.0
"""Of one that failed: it may be that no rest comes."""
QUICK_S = 5.0
"""A recovery is meant to take no longer. It is counted, and no verdict: a busy machine takes its time."""
SHOWN_MAX = 10
FRESH_AFTER = 20
"""Scenarios on one system: all that it ever did is judged each time."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run shall be."""

    seed: int
    database: str = "mysql"
    minutes: int | None = None
    """None is begun later than that."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one scenario."""

    name: str
    failure: str
    """Why it has not shown what it shows. Empty: it has."""
    seen: Sequence[str]
    recovery_s: float | None
    anomalies: Sequence[Anomaly]
    orders: int
    took_s: float
    folder: Path

    @property
    def verdict(self) -> str:
        if self.anomalies:
            return "BROKEN"
        return "FAILED" if self.failure else "kept"

    def __str__(self) -> str:
        recovered = "" if self.recovery_s is None else f"recovered in {self.recovery_s:.2f} s, "
        return (
            f"{self.verdict:<7}{self.name:<26}{recovered}{self.orders} orders, {self.took_s:.0f} s"
        )


async def play_all(chosen: Iterable[Scenario[Stage]], wanted: Wanted, folder: Path) -> list[Result]:
    """One after the other on one system; after a failure on another, which knows nothing of it."""
    timeline = Timeline(folder / "timeline.jsonl", say)
    turns = takewhile(
        lambda _: wanted.minutes is None or timeline.now() < 60 * wanted.minutes, chosen
    )
    scenario = next(turns, None)
    results: list[Result] = []
    number = 0
    while scenario is not None:
        number += 1
        logs = folder / f"system-{number}"
        logs.mkdir(parents=True, exist_ok=True)
        async with Stage(
            logs, wanted.database, wanted.seed + number, brokers=scenario.brokers
        ) as stage:
            for _ in range(FRESH_AFTER):
                place = folder / f"{len(results) + 1:02}-{scenario.name}"
                results.append(await play(scenario, stage, timeline, place))
                scenario = next(turns, None)
                if (
                    scenario is None
                    or results[-1].verdict != "kept"
                    or scenario.brokers != stage.brokers
                ):
                    break
    return results


async def play_without(
    chosen: Iterable[Scenario[Stage]], wanted: Wanted, folder: Path
) -> list[Result]:
    """Each on a system of its own, which lacks the mechanism that it is about: it has to fail."""
    timeline = Timeline(folder / "timeline.jsonl", say)
    results: list[Result] = []
    for number, scenario in enumerate(chosen, 1):
        mechanism = MECHANISMS[scenario.name]
        timeline.note("without", mechanism.what)
        logs = folder / f"system-{number}"
        logs.mkdir(parents=True, exist_ok=True)
        async with Stage(
            logs, wanted.database, wanted.seed, without=mechanism, brokers=scenario.brokers
        ) as stage:
            results.append(
                await play(scenario, stage, timeline, folder / f"{number:02}-{scenario.name}")
            )
    return results


async def play(scenario: Scenario[Stage], stage: Stage, timeline: Timeline, folder: Path) -> Result:
    """Play one, keep all evidence, and judge it."""
    course = Course(timeline)
    began_s, orders = timeline.now(), stage.flow.handed_out
    timeline.note("scenario", f"{scenario.name}: {scenario.shows}")
    stage.begin()
    failure = ""
    try:
        async with asyncio.timeout(BOUND_S):
            await scenario.run(stage, course)
    except NothingHappened as nothing:
        failure = f"nothing happened: {nothing}"
    except NotAsPromised as broken:
        failure = str(broken)
    except TimeoutError:
        failure = f"not done within {BOUND_S:g} s"
    except (NotInjected, *FAILS_BY) as error:
        failure = f"a fault cannot be injected, or not be healed: {error}"
    stage.disturbances += course.faults
    if fallen := stage.fallen():
        failure = f"not running any more: {', '.join(fallen)}; {failure}"
    verdicts: Sequence[Verdict] = ()
    try:
        evidence = await stage.evidence(FAILED_REST_S if failure else REST_S)
    except (Unavailable, Conflict) as error:
        failure = f"{failure or 'it went well'}; but the stores cannot be read: {error}"
    else:
        kept.keep(
            evidence,
            folder,
            timeline,
            scenario=scenario.name,
            seed=stage.seed,
            database=stage.database,
            seen=course.seen,
            recovery_s=course.recovery_s,
            failure=failure,
            began_s=began_s,
            ended_s=timeline.now(),
            logs=stage.folder.name,
            command=f"python -m chaos real {scenario.name} --database {stage.database}",
        )
        verdicts = judge(evidence, PROMISES)
        _write(folder, verdicts, is_failed=bool(failure))
    result = Result(
        scenario.name,
        failure,
        course.seen,
        course.recovery_s,
        anomalies_of(verdicts),
        stage.flow.handed_out - orders,
        timeline.now() - began_s,
        folder,
    )
    timeline.note("verdict", str(result))
    for line in told(result):
        say(f"  {line}")
    return result


def _write(folder: Path, verdicts: Sequence[Verdict], *, is_failed: bool) -> None:
    """What was found, and the page of a run that is worth one; `judge` makes that of any."""
    found = anomalies_of(verdicts)
    (folder / "anomalies.txt").write_text("".join(f"{anomaly}\n" for anomaly in found))
    if found or is_failed:
        report.write(folder, kept.kept(folder), verdicts)


def told(result: Result) -> Iterator[str]:
    """What is wrong, if anything is."""
    if result.failure:
        yield result.failure
    yield from broken(result.anomalies, result.folder)
    if (page := result.folder / report.REPORT).is_file():
        yield f"the page to read: {page}"


def broken(found: Sequence[Anomaly], folder: Path) -> Iterator[str]:
    yield from map(str, found[:SHOWN_MAX])
    if len(found) > SHOWN_MAX:
        yield f"… and {len(found) - SHOWN_MAX} more in {folder}/anomalies.txt"
    for name in sorted({anomaly.name for anomaly in found}):
        yield f"{name}: {ANOMALIES.get(name, '')}"


def summary(results: Sequence[Result], wanted: Wanted, folder: Path) -> str:
    """A line for each scenario, what is wrong with it, and one line for all."""
    lines: list[str] = []
    for result in results:
        lines += [str(result), *(f"       {line}" for line in told(result))]
    times = [result.recovery_s for result in results if result.recovery_s is not None]
    quick = sum(time_s <= QUICK_S for time_s in times)
    recovery = (
        f"; recovered in {median(times):.2f} s (median), {max(times):.2f} s at most,"
        f" {quick} of {len(times)} within {QUICK_S:g} s"
        if times
        else ""
    )
    good = sum(result.verdict == "kept" for result in results)
    verdict = "kept" if good == len(results) else "BROKEN"
    lines.append(
        f"{verdict}: {good} of {len(results)} scenarios, {len(PROMISES)} promises each{recovery};"
        f" seed {wanted.seed}; evidence in {folder}"
    )
    return "\n".join(lines)


def run(chosen: Iterable[Scenario[Stage]], wanted: Wanted, folder: Path) -> int:
    """Play them, and say what came of it; 1 when one did not keep what it shows."""
    results = asyncio.run(play_all(chosen, wanted, folder))
    sys.stdout.write(f"{summary(results, wanted, folder)}\n")
    return 0 if all(result.verdict == "kept" for result in results) else 1


def run_without(chosen: Iterable[Scenario[Stage]], wanted: Wanted, folder: Path) -> int:
    """Play each without its mechanism, and say what that made of it; 1 when one was kept."""
    results = asyncio.run(play_without(chosen, wanted, folder))
    for result in results:
        sys.stdout.write(f"{caught(result)}\n")
    survived = [result.name for result in results if result.verdict == "kept"]
    verdict = (
        f"SURVIVED: {', '.join(survived)}" if survived else "each failed without its mechanism"
    )
    sys.stdout.write(f"{len(results)} scenarios: {verdict}; evidence in {folder}\n")
    return 1 if survived else 0


def caught(result: Result) -> str:
    """What was switched off, and how the scenario failed of it."""
    seen = next(told(result), "it was kept, and so proves nothing")
    return f"{result.verdict:<7}{result.name:<26}{MECHANISMS[result.name].what} → {seen}"


def judge_again(folder: Path) -> int:
    """Judge what a run has left; 1 when a promise is broken. Raises NoEvidence."""
    status = 0
    for place in kept.runs_in(folder):
        evidence = kept.kept(place)
        verdicts = judge(evidence, PROMISES)
        found = anomalies_of(verdicts)
        lines = [f"{'BROKEN' if found else 'kept':<7}{place}: {counted(verdicts)}"]
        lines += [f"       {line}" for line in broken(found, place)]
        lines.append(f"       {report.write(place, evidence, verdicts)}")
        sys.stdout.write("\n".join(lines) + "\n")
        status |= bool(found)
    return status
