"""Figures beside their limits, measured in turn: what a benchmark consists of.

A figure has arms. The first is the system's own; the others are its limits: the same statements,
bytes and answers without the guarantees. A round measures every arm once, one after the other, so
that a machine that gets slower for a while slows down all of them. What counts is the ratio within
a round, and its median over the rounds.
"""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from statistics import median, quantiles

SPREAD_MAX = 0.3
"""Of the ratios. A machine that gives more gives no figure."""


class Better(StrEnum):
    """Which way is better."""

    MORE = "more"
    LESS = "less"


@dataclass(frozen=True, slots=True)
class Sample:
    """What one arm gave in one round. `details` are told beside it: p99, CPU a request."""

    value: float
    details: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ValueError: of nothing there is no ratio, nor of what took no time."""
        if not 0 < self.value < inf:
            raise ValueError(f"{self.value:g} was measured: too short a time, or nothing done")


Measure = Callable[[], Awaitable[Sample]]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the benchmark: its arms by name, the system's own first."""

    name: str
    unit: str
    better: Better
    arms: Mapping[str, Measure]


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure with what each arm gave in each round, in the order of the rounds."""

    name: str
    unit: str
    better: Better
    samples: Mapping[str, Sequence[Sample]]

    @property
    def own(self) -> str:
        return next(iter(self.samples))

    @property
    def limits(self) -> Sequence[str]:
        return [arm for arm in self.samples if arm != self.own]

    def value(self, arm: str) -> float:
        """The median over the rounds, in the figure's unit."""
        return median(sample.value for sample in self.samples[arm])

    def details(self, arm: str) -> dict[str, float]:
        """The median of each detail."""
        names = self.samples[arm][0].details
        return {name: median(each.details[name] for each in self.samples[arm]) for name in names}

    def spread(self, arm: str) -> float:
        """That of an arm over the rounds, as a share of its median; 0 for one round."""
        return _spread([sample.value for sample in self.samples[arm]])

    def ratios(self, limit: str) -> list[float]:
        """Per round, how much of the limit the system reaches: 1.0 is as good as the limit."""
        pairs = zip(self.samples[self.own], self.samples[limit], strict=True)
        if self.better is Better.MORE:
            return [own.value / beside.value for own, beside in pairs]
        return [beside.value / own.value for own, beside in pairs]

    def ratio(self, limit: str) -> float:
        return median(self.ratios(limit))

    def is_void(self, limit: str) -> bool:
        """Whether the machine was too unsteady to say how much of this limit is reached."""
        return _spread(self.ratios(limit)) > SPREAD_MAX

    def void(self) -> list[str]:
        """What the figure cannot say, and why: the machine was not steady enough."""
        wide = [
            (f"beside {limit}", _spread(self.ratios(limit)))
            for limit in self.limits
            if self.is_void(limit)
        ]
        if not self.limits and self.spread(self.own) > SPREAD_MAX:
            wide = [("of the figure", self.spread(self.own))]
        return [f"{self.name}: the spread {what} is {spread:.0%}" for what, spread in wide]


def _spread(values: Sequence[float]) -> float:
    """Between the quartiles: how far the middle half lies apart, as a share of the median.

    Not between the extremes: one round in which the machine stood still would void all of them, and
    more rounds would say less. Of 100, 101, 102, 103 and 300 it is (103 - 101) / 102 = 2 %.
    """
    middle = median(values)
    if len(values) < 2 or not middle:
        return 0.0
    low, _, high = quantiles(values, n=4, method="inclusive")
    return (high - low) / middle


async def measured(
    figures: Sequence[Figure], rounds: int, note: Callable[[str], None]
) -> list[Measured]:
    """Measure all arms of these figures in turn, round by round. `note` takes a line of progress.

    The collector of garbage runs between the arms and not within them, so that no arm pays for
    what another has left.
    """
    samples: dict[str, dict[str, list[Sample]]] = {
        figure.name: {arm: [] for arm in figure.arms} for figure in figures
    }
    for round in range(1, rounds + 1):
        for figure in figures:
            for arm, measure in figure.arms.items():
                gc.collect()
                sample = await measure()
                samples[figure.name][arm].append(sample)
                note(
                    f"round {round}/{rounds}  {figure.name}, {arm}: "
                    f"{number(sample.value)} {figure.unit}"
                )
    return [
        Measured(figure.name, figure.unit, figure.better, samples[figure.name])
        for figure in figures
    ]


def number(value: float) -> str:
    """Three significant digits, thousands apart: 12,300, 4.56, 0.0789."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
