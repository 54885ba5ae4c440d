"""What a system says of itself at `/metrics`: read, put together over its processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

Key = tuple[str, str]
"""The name of a sample, and the label that its values are told apart by."""
Values = Mapping[Key, float]


@dataclass(frozen=True, slots=True)
class Gauge:
    """A sample to look at."""

    sample: str
    by: str
    """The label by which its values are told apart; over all others they are added up."""
    shared: bool = False
    """Every process of a role says the same of it, so that the highest counts, not the sum."""


def read(texts: Iterable[str], gauges: Sequence[Gauge]) -> Values:
    """The values of several processes, put together. Raises ValueError for what is no metrics."""
    wanted = {gauge.sample: gauge for gauge in gauges}
    together: dict[Key, float] = {}
    for text in texts:
        for key, value in _of_one(text, wanted).items():
            if wanted[key[0]].shared:
                together[key] = max(together.get(key, 0.0), value)
            else:
                together[key] = together.get(key, 0.0) + value
    return together


def _of_one(text: str, wanted: Mapping[str, Gauge]) -> Values:
    values: dict[Key, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if gauge := wanted.get(sample.name):
                key = sample.name, sample.labels.get(gauge.by, "")
                values[key] = values.get(key, 0.0) + sample.value
    return values


def by_label(values: Values, sample: str) -> dict[str, float]:
    """One sample's values by their label."""
    return {label: value for (name, label), value in values.items() if name == sample}
