"""Named scenarios, one after the other on one system, each judged at its end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from statistics import median

from chaos.kit.servers.scenario import Course, NotAsPromised, NothingHappened, Scenario
from chaos.kit.servers.timeline import Timeline
from chaos.real import kept
from chaos.real.gathered import REST_S
from chaos.real.promises import PROMISES
from chaos.real.stage import Stage
from chaos.shop.checkers import ANOMALIES, Anomaly, judge
from scenarios.harness.servers.common import say
from system.kit.errors import Conflict, Unavailable

BOUND_S = 300.0
"""Of one scenario; each wait in it has a shorter one."""
FAILED_REST_S = 30.0
"""Of one that failed: it may be that no rest comes."""
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
        async with Stage(logs, wanted.database, wanted.seed + number) as stage:
            for _ in range(FRESH_AFTER):
                place = folder / f"{len(results) + 1:02}-{scenario.name}"
                results.append(await play(scenario, stage, timeline, place))
                scenario = next(turns, None)
                if scenario is None or results[-1].verdict != "kept":
                    break
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
    stage.disturbances += course.faults
    if fallen := stage.fallen():
        failure = f"not running any more: {', '.join(fallen)}; {failure}"
    anomalies: list[Anomaly] = []
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
        )
        anomalies += judge(evidence, PROMISES)
        (folder / "anomalies.txt").write_text("".join(f"{anomaly}\n" for anomaly in anomalies))
    result = Result(
        scenario.name,
        failure,
        course.seen,
        course.recovery_s,
        anomalies,
        stage.flow.handed_out - orders,
        timeline.now() - began_s,
        folder,
    )
    timeline.note("verdict", str(result))
    for line in told(result):
        say(f"  {line}")
    return result


def told(result: Result) -> Iterator[str]:
    """What is wrong, if anything is."""
    if result.failure:
        yield result.failure
    yield from broken(result.anomalies, result.folder)


def broken(anomalies: Sequence[Anomaly], folder: Path) -> Iterator[str]:
    yield from map(str, anomalies[:SHOWN_MAX])
    if len(anomalies) > SHOWN_MAX:
        yield f"… and {len(anomalies) - SHOWN_MAX} more in {folder}/anomalies.txt"
    for name in sorted({anomaly.name for anomaly in anomalies}):
        yield f"{name}: {ANOMALIES.get(name, '')}"


def summary(results: Sequence[Result], wanted: Wanted, folder: Path) -> str:
    """A line for each scenario, what is wrong with it, and one line for all."""
    lines: list[str] = []
    for result in results:
        lines += [str(result), *(f"       {line}" for line in told(result))]
    times = [result.recovery_s for result in results if result.recovery_s is not None]
    recovery = (
        f"; recovered in {median(times):.2f} s (median), {max(times):.2f} s at most"
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


def judge_again(folder: Path) -> int:
    """Judge what a run has left; 1 when a promise is broken. Raises NoEvidence."""
    status = 0
    for place in kept.runs_in(folder):
        anomalies = list(judge(kept.kept(place), PROMISES))
        lines = [f"{'BROKEN' if anomalies else 'kept':<7}{place}, {len(PROMISES)} promises"]
        lines += [f"       {line}" for line in broken(anomalies, place)]
        sys.stdout.write("\n".join(lines) + "\n")
        status |= bool(anomalies)
    return status
