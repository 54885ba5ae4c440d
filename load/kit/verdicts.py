"""What a judge's verdicts come to: an exit status, lines for a terminal, rows for a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from chaos.kit.promises import Verdict

SHOWN_MAX = 10
"""So many breaks of one promise are spelled out."""


class Exit:
    """What a judge's exit status says."""

    KEPT = 0
    BROKEN = 1
    BAD_USE = 2
    NOT_JUDGED = 3


def exit_status(judged: Sequence[Verdict]) -> int:
    """Broken weighs more than not judged; a run in which nothing happened proves nothing."""
    outcomes = {one.outcome for one in judged}
    if "broken" in outcomes:
        return Exit.BROKEN
    if "not judged" in outcomes or "kept" not in outcomes:
        return Exit.NOT_JUDGED
    return Exit.KEPT


def lines(judged: Sequence[Verdict]) -> Iterator[str]:
    """One line for each promise, and below it what was wrong."""
    width = max(len(one.promise) for one in judged)
    for one in judged:
        said = f"{one.promise:<{width}}  {one.outcome:<16}"
        match one.outcome:
            case "kept":
                yield f"{said}  {one.cases} cases"
            case "broken":
                yield f"{said}  {len(one.found)} of {one.cases} cases: {one.says}"
                yield from (f"{'':<{width}}    {found.seen}" for found in one.found[:SHOWN_MAX])
                if (more := len(one.found) - SHOWN_MAX) > 0:
                    yield f"{'':<{width}}    … and {more} more"
            case "not judged":
                yield f"{said}  because {one.because}"
            case "nothing happened":
                yield said.rstrip()


def rows(judged: Sequence[Verdict]) -> list[dict[str, Any]]:  # JSON
    """The same, of each promise, as the page of a run shows it."""
    return [
        {
            "promise": one.promise,
            "says": one.says,
            "verdict": one.outcome,
            "cases": one.cases,
            "because": one.because,
            "breaks": [found.seen for found in one.found[:SHOWN_MAX]],
            "broken": len(one.found),
        }
        for one in judged
    ]
