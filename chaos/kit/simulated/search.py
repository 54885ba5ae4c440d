"""Which schedules are run: every single fault of a workload first, then several at random.

The schedules are pure functions of the seed, so the same search finds the same things anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from chaos.kit.simulated.faults import PointFault, distinct_kinds_at
from chaos.kit.simulated.nemeses import NEMESES, Field
from chaos.kit.simulated.runner import Schedule, Simulator

FAULTS_MAX = 4
"""In one random schedule."""


class Undisturbed:
    """How each workload runs without faults: where it can be hit. Asked once for each seed."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._fields: dict[tuple[str, int], Field] = {}

    def field(self, workload: str, seed: int) -> Field:
        if (workload, seed) not in self._fields:
            subject = self._simulator.subject
            run = self._simulator.run(Schedule(workload, seed))
            self._fields[workload, seed] = Field(
                run.places,
                tuple(subject.workloads[workload].processes),
                run.ended_s,
                subject.system.topics,
                subject.groups,
            )
        return self._fields[workload, seed]


def singles(field: Field, workload: str, seed: int) -> Iterator[Schedule]:
    """Every point of the run, hit in every way that makes a difference."""
    for place in field.places:
        for kind in distinct_kinds_at(place):
            yield Schedule(workload, seed, (PointFault(kind, place),))


def random_schedule(
    undisturbed: Undisturbed, number: int, seed: int, workloads: Sequence[str]
) -> Schedule:
    """The schedule of this number: a workload, a seed of its own, and up to a few faults."""
    random = Random(f"schedule {seed} {number}")
    workload = random.choice(workloads)
    field = undisturbed.field(workload, seed)
    count = random.choice((1, 2, 2, 3, FAULTS_MAX))
    faults = tuple(random.choice(list(NEMESES.values())).draw(random, field) for _ in range(count))
    return Schedule(workload, random.randrange(1, 1_000_000), faults)
