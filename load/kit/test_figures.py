"""Figures are told beside their limits, round by round, and a figure that says nothing is void."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import inf, nan
from pathlib import Path

import pytest

from load.kit.bench_report import Report, count_table, svg, table, write
from load.kit.figures import Better, Figure, Measured, Sample, measured, number


def seen(own: Sequence[float], limit: Sequence[float], better: Better = Better.MORE) -> Measured:
    samples = {
        "system": [Sample(value, {"p99 ms": value / 10}) for value in own],
        "bare": [Sample(value) for value in limit],
    }
    return Measured("relay", "events/s", better, samples)


@pytest.mark.parametrize("value", [0.0, -1.0, inf, nan])
def test_what_has_no_ratio_is_no_sample(value: float) -> None:
    with pytest.raises(ValueError, match="was measured: too short a time, or nothing done"):
        Sample(value)


def test_a_ratio_is_taken_within_a_round_and_its_median_counts() -> None:
    """The machine was half as fast in the second round, for both."""
    figure = seen([50, 25, 60], [100, 50, 100])

    assert figure.ratios("bare") == [0.5, 0.5, 0.6]
    assert figure.ratio("bare") == 0.5
    assert figure.value("system") == 50


def test_where_less_is_better_the_limit_is_above_one_as_well() -> None:
    assert seen([20], [10], Better.LESS).ratio("bare") == 0.5


def test_a_figure_whose_ratios_differ_too_much_is_void() -> None:
    steady, shaky = seen([50, 55], [100, 100]), seen([50, 100], [100, 100])

    assert steady.void() == []
    assert shaky.void() == ["relay: the spread beside bare is 33%"]
    assert table([shaky]).splitlines()[2].split() == "bare 100 0% void".split()


def test_one_round_in_which_the_machine_stood_still_voids_no_figure() -> None:
    assert seen([50, 51, 52, 51, 5], [100] * 5).void() == []


def test_arms_are_measured_in_turn() -> None:
    order: list[str] = []

    async def arm(name: str) -> Sample:
        order.append(name)
        return Sample(1)

    figures = [
        Figure(name, "s", Better.LESS, {"own": lambda: arm("own"), "limit": lambda: arm("limit")})
        for name in ("a", "b")
    ]
    lines: list[str] = []

    asyncio.run(measured(figures, 2, lines.append))

    assert order == ["own", "limit"] * 4
    assert lines[0] == "round 1/2  a, own: 1 s"


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (12_345.6, "12,346"), (4.5678, "4.57"), (0.0789, "0.0789")]
)
def test_a_number_has_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_the_table_names_each_arm_with_what_the_system_reaches_of_it() -> None:
    lines = table([seen([50], [200])]).splitlines()

    assert lines[0].split() == "figure unit arm median spread of the limit beside it".split()
    assert lines[1].split() == "relay events/s system 50 0% p99 ms 5".split()
    assert lines[2].split() == "bare 200 0% 25%".split()


def test_nothing_measured_is_said() -> None:
    assert table([]) == "nothing was measured"


def test_counts_are_told_by_what_they_count() -> None:
    lines = count_table({"relay": {"SQL commits": 3, "Kafka batches": 2}}).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["relay", "Kafka", "batches", "2"],
        ["SQL", "commits", "3"],
    ]


def test_a_bar_ends_at_its_limit() -> None:
    assert svg([seen([300], [100])]).count('width="420.0"') == 1


def test_a_report_is_a_page_a_chart_and_the_figures_of_every_round(tmp_path: Path) -> None:
    report = Report([seen([50, 60], [100, 100])], {"relay": {"SQL commits": 3}}, {"cores": "2"})

    paths = write(report, tmp_path / "bench.md")

    assert [path.name for path in paths] == ["bench.md", "bench.svg", "bench.json"]
    page = paths[0].read_text()
    assert "| relay | events/s | system | 55 |" in page
    assert "(bench.svg)" in page
    assert '"value": 60' in paths[2].read_text()
