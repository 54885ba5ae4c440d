"""Four verdicts: silence is not keeping.

A promise is *kept* when cases of it came up and all were right, *broken* when one was wrong, *not
judged* when what is known does not allow to say so, and *nothing happened* when no case came up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

B = TypeVar("B")
"""The books that are judged by."""

SHOWN_MAX = 10
"""So many breaks of one promise are spelled out."""


class Verdict(StrEnum):
    KEPT = "kept"
    BROKEN = "broken"
    NOT_JUDGED = "not judged"
    NOTHING = "nothing happened"


class CannotJudge(Exception):
    """What is known does not allow a verdict. The text says why."""


Check = Callable[[B], Iterator[str | None]]
"""Yields once per case: None where it is right, and else what is wrong. Raises CannotJudge."""


@dataclass(frozen=True, slots=True)
class Promise(Generic[B]):
    """What is promised, and how it is judged."""

    name: str
    says: str
    check: Check[B]
    at_rest: bool = True
    """Judged only when the system has come to rest: before that, views may lag behind."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one promise."""

    promise: str
    says: str
    verdict: Verdict
    cases: int = 0
    because: str = ""
    """Why it was not judged."""
    breaks: Sequence[str] = ()
    """The first of what was wrong."""
    broken: int = 0


def judge(promise: Promise[B], books: B, *, unrest: str) -> Judged:
    """`unrest`: what kept the system from coming to rest, if anything did."""
    if promise.at_rest and unrest:
        return Judged(promise.name, promise.says, Verdict.NOT_JUDGED, because=unrest)
    cases = broken = 0
    breaks: list[str] = []
    try:
        for wrong in promise.check(books):
            cases += 1
            if wrong is not None:
                broken += 1
                if len(breaks) < SHOWN_MAX:
                    breaks.append(wrong)
    except CannotJudge as reason:
        return Judged(promise.name, promise.says, Verdict.NOT_JUDGED, because=str(reason))
    verdict = Verdict.BROKEN if broken else Verdict.KEPT if cases else Verdict.NOTHING
    return Judged(promise.name, promise.says, verdict, cases, breaks=tuple(breaks), broken=broken)


class Exit:
    """What a judge's exit status says."""

    KEPT = 0
    BROKEN = 1
    BAD_USE = 2
    NOT_JUDGED = 3


def exit_status(judged: Sequence[Judged]) -> int:
    """Broken weighs more than not judged; a run in which nothing happened proves nothing."""
    verdicts = {one.verdict for one in judged}
    if Verdict.BROKEN in verdicts:
        return Exit.BROKEN
    if Verdict.NOT_JUDGED in verdicts or Verdict.KEPT not in verdicts:
        return Exit.NOT_JUDGED
    return Exit.KEPT


def lines(judged: Sequence[Judged]) -> Iterator[str]:
    """One line for each promise, and below it what was wrong."""
    width = max(len(one.promise) for one in judged)
    for one in judged:
        said = f"{one.promise:<{width}}  {one.verdict.value:<16}"
        match one.verdict:
            case Verdict.KEPT:
                yield f"{said}  {one.cases} cases"
            case Verdict.BROKEN:
                yield f"{said}  {one.broken} of {one.cases} cases: {one.says}"
                yield from (f"{'':<{width}}    {wrong}" for wrong in one.breaks)
                if more := one.broken - len(one.breaks):
                    yield f"{'':<{width}}    … and {more} more"
            case Verdict.NOT_JUDGED:
                yield f"{said}  because {one.because}"
            case Verdict.NOTHING:
                yield said.rstrip()
