"""Hunts a mutant: with no fault, with those that its author thinks of, with each one, by chance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from chaos.kit.simulated.faults import parse
from chaos.kit.simulated.mutant import Mutant
from chaos.kit.simulated.runner import Schedule
from chaos.kit.simulated.search import Undisturbed, random_schedule, singles
from chaos.kit.simulated.workers import worker

SEED = 1
SEEDS_WITHOUT_FAULTS = 10
SEEDS_OF_A_SPELL = 12
SCHEDULES_MAX = 400


@dataclass(frozen=True, slots=True)
class Catch:
    """How a mutant was caught, or why it was not."""

    mutant: str
    checker: str | None
    anomaly: str
    schedules: int
    schedule: str
    why: str = ""


def hunt_named(name: str) -> Catch:
    """Hunt one mutant on this process's simulator."""
    here = worker()
    mutant = here.simulator.subject.mutants[name]
    reached = others = count = 0
    other = ""
    for schedule in _schedules(mutant, here.undisturbed):
        if count >= SCHEDULES_MAX:
            break
        count += 1
        run = here.simulator.run(schedule, mutant)
        reached += run.reached > 0
        others += bool(run.anomalies)
        if run.anomalies and not other:
            other = f", first {run.anomalies[0]} in {schedule}"
        if not run.reached:
            continue
        for anomaly in run.anomalies:
            if anomaly.checker in mutant.breaks:
                return Catch(name, anomaly.checker, anomaly.name, count, str(schedule))
    why = f"reached in {reached} of {count} runs; other findings in {others}{other}"
    return Catch(name, None, "", count, "", why)


def _schedules(mutant: Mutant, undisturbed: Undisturbed) -> Iterator[Schedule]:
    for seed in range(1, SEEDS_WITHOUT_FAULTS + 1):
        for workload in mutant.workloads:
            yield Schedule(workload, seed)
    for seed in range(1, SEEDS_OF_A_SPELL + 1):
        for timed_fault in mutant.timed_faults:
            for workload in mutant.workloads:
                yield Schedule(
                    workload, seed, tuple(parse(text) for text in timed_fault.split("/"))
                )
    for is_first_choice in (True, False):
        for workload in mutant.workloads:
            for schedule in singles(undisturbed.field(workload, SEED), workload, SEED):
                fault = str(schedule.faults[0])
                chosen = any(fnmatchcase(fault, pattern) for pattern in mutant.point_faults)
                if chosen == is_first_choice and (mutant.point_faults or not is_first_choice):
                    yield schedule
    for number in range(SCHEDULES_MAX):
        yield random_schedule(undisturbed, number, SEED, mutant.workloads)
