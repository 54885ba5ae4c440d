"""A benchmark's figures as a table, as JSON, and as a page with a chart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from load.kit.figures import Measured, number

BAR, GAP, LEFT, WIDTH, RIGHT = 14, 10, 380, 420, 90


@dataclass(frozen=True, slots=True)
class Report:
    """All that a run has found. `facts` say what it was measured on."""

    figures: Sequence[Measured]
    counts: Mapping[str, Mapping[str, int]]
    facts: Mapping[str, str]


HEAD = ("figure", "unit", "arm", "median", "spread", "of the limit", "beside it")


def rows(figures: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    """A row for each arm; the system's own has the ratios, per limit in its order."""
    for figure in figures:
        for arm in figure.samples:
            own = arm == figure.own
            details = ", ".join(
                f"{name} {number(value)}" for name, value in figure.details(arm).items()
            )
            yield (
                figure.name if own else "",
                figure.unit if own else "",
                arm,
                number(figure.value(arm)),
                f"{figure.spread(arm):.0%}",
                "" if own else "void" if figure.is_void(arm) else f"{figure.ratio(arm):.0%}",
                details,
            )


def table(figures: Sequence[Measured]) -> str:
    """In columns, for a terminal."""
    return _columns([HEAD, *rows(figures)]) if figures else "nothing was measured"


def count_table(counts: Mapping[str, Mapping[str, int]]) -> str:
    return _columns([("counted", "", ""), *_count_rows(counts)])


def _count_rows(counts: Mapping[str, Mapping[str, int]]) -> Iterator[tuple[str, ...]]:
    for name, of in counts.items():
        for index, (what, count) in enumerate(sorted(of.items())):
            yield ("" if index else name, what, str(count))


def _columns(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def write(report: Report, page: Path) -> list[Path]:
    """Write the page, its chart and the figures as JSON beside it; their paths."""
    chart, data = page.with_suffix(".svg"), page.with_suffix(".json")
    page.write_text(_page(report, chart.name, data.name), encoding="utf-8")
    chart.write_text(svg(report.figures), encoding="utf-8")
    data.write_text(json.dumps(_json(report), indent=1, ensure_ascii=False) + "\n", "utf-8")
    return [page, chart, data]


def _json(report: Report) -> dict[str, Any]:  # JSON
    return {
        "facts": dict(report.facts),
        "figures": [
            {
                "name": figure.name,
                "unit": figure.unit,
                "better": figure.better.value,
                "arms": {
                    arm: [{"value": each.value, **each.details} for each in samples]
                    for arm, samples in figure.samples.items()
                },
                "of the limit": {limit: figure.ratio(limit) for limit in figure.limits},
                "void": figure.void(),
            }
            for figure in report.figures
        ],
        "counts": {name: dict(of) for name, of in report.counts.items()},
    }


PAGE = """\
# Benchmark

Written by `python -m load bench --report FILE.md`. [bench.md](bench.md) says how to read it. Absolute
figures are those of one machine on one day, with servers, system and load on the same cores; what
holds elsewhere are the ratios, each taken within one round.

![how much of its limit each figure reaches]({chart})

## On what

{facts}

## Figures

Medians over the rounds; the spread is how far their middle half lies apart, as a share of the
median. *Of the limit* is how much of that limit the system reaches: 100 % is as good as the limit.
The figures of every round are in [{data}]({data}).

{figures}

## Counts

What a fixed amount of work, queued beforehand, asks of the servers: the same on any machine. CI holds
them to gates.

{counts}
"""


def _page(report: Report, chart: str, data: str) -> str:
    facts = [("fact", "value"), *report.facts.items()]
    return PAGE.format(
        chart=chart,
        data=data,
        facts=_markdown(facts),
        figures=_markdown([HEAD, *rows(report.figures)]),
        counts=_markdown([("work", "what", "how many"), *_count_rows(report.counts)]),
    )


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    head, *rest = lines
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rest))


def svg(figures: Sequence[Measured]) -> str:
    """One bar for each limit of each figure: how much of it the system reaches, up to all of it."""
    bars = [(figure, limit) for figure in figures for limit in figure.limits]
    width, height = LEFT + WIDTH + RIGHT, len(bars) * (BAR + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"',
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="100%" height="{height}" fill="#ffffff"/>',
    ]
    for index, (figure, limit) in enumerate(bars):
        top = GAP + index * (BAR + GAP)
        ratio = figure.ratio(limit)
        parts.append(
            f'<text x="{LEFT - 8}" y="{top + BAR - 3}" text-anchor="end" fill="#1f2937">'
            f"{escape(figure.name)} / {escape(limit)}</text>"
            f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{BAR}" fill="#e5e7eb"/>'
            f'<rect x="{LEFT}" y="{top}" width="{min(ratio, 1) * WIDTH:.1f}" height="{BAR}" '
            f'fill="#2563eb"/>'
            f'<text x="{LEFT + WIDTH + 8}" y="{top + BAR - 3}" fill="#1f2937">{ratio:.0%}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])
