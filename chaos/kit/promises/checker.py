"""What a checker is: a promise, and a function that finds where the evidence breaks it.

Evidence is whatever a source has left: the stores of a simulated run, what was seen of a stranger
from outside, the books of a run under load. All of them are judged in one way, into one of four
verdicts. A promise that was never put to the test is not kept: of a system that shows nothing,
nothing is said.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Generic, Literal, TypeVar

from chaos.kit.promises.sight import ALL, NOTHING, Blind, Sight, because

E = TypeVar("E")
"""The evidence that is judged."""

KEPT: None = None
"""A case in which the promise is kept."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A case in which it is broken: its name, which a table explains, and what was seen."""

    name: str
    seen: str
    checker: str = ""
    about: str = ""
    """The thing whose story shows it, if there is one."""

    def __str__(self) -> str:
        return f"{self.checker}: {self.name}: {self.seen}"


Cases = Iterator[Anomaly | None]
Check = Callable[[E], Iterable[Anomaly | None]]
"""Yields one item per case: KEPT, or what was seen. Raises CannotJudge."""


class CannotJudge(Exception):
    """What is known does not allow a verdict. The text says why."""


class BadChecker(Exception):
    """A checker fell over. The text is one line that says which, and why."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What is promised, whoever judges it and by whatever evidence."""

    name: str
    says: str
    usually: str = ""
    """Which mistakes usually break it."""


@dataclass(frozen=True)  # with slots, one of a kind of evidence cannot be made by an alias
class Checker(Generic[E]):
    """Judges one promise by one kind of evidence."""

    promise: Promise
    check: Check[E]
    cases: Callable[[E], Sized] | None = None
    """What of the evidence could break it, of a check that yields no KEPT. Nothing: the promise was
    not put to the test.

    Without a key that was sent twice, "requests with one key have one effect" is not kept: nothing
    happened.
    """
    at_rest: bool = False
    """It judges only a system that came to rest: what moves still looks broken."""
    needs: Sight = NOTHING
    keeps: Sight = NOTHING
    """Without these it can be seen to be broken, and never to be kept."""

    @property
    def name(self) -> str:
        return self.promise.name

    def also(self, *more: Check[E]) -> Checker[E]:
        """The same promise, where a source has more ways to see it broken than all sources have."""
        checks = (self.check, *more)
        return replace(self, check=lambda evidence: _by_all(checks, evidence))


def _by_all(checks: Iterable[Check[E]], evidence: E) -> Cases:
    return chain.from_iterable(check(evidence) for check in checks)


Outcome = Literal["broken", "kept", "nothing happened", "not judged"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge says of one promise."""

    promise: str
    says: str
    outcome: Outcome
    found: Sequence[Anomaly] = ()
    cases: int = 0
    because: str = ""
    """Why it was not judged; or why it is known to be broken."""
    usually: str = ""
    is_known: bool = False

    @property
    def was_tested(self) -> bool:
        """Whether something happened that could have broken the promise."""
        return self.outcome in ("kept", "broken")

    @property
    def counts(self) -> bool:
        """Whether the system, or what is known of it, is not as was said."""
        return (self.outcome == "broken") != self.is_known and self.was_tested

    def __str__(self) -> str:
        match self.outcome:
            case "kept" if self.is_known:
                return f"KEPT AFTER ALL    {self.promise}: known to be broken ({self.because})"
            case "kept":
                return f"kept              {self.promise} ({counted(self.cases, 'case')})"
            case "broken":
                known = f"; known: {self.because}" if self.is_known else ""
                count = f"{len(self.found)} of {counted(self.cases, 'case')}"
                return f"BROKEN            {self.promise} ({count}): {self.found[0].seen}{known}"
            case "not judged":
                return f"not judged        {self.promise}, because {self.because}"
            case "nothing happened":
                return f"nothing happened  {self.promise}: no case of it came up"


def judge(
    evidence: E,
    checkers: Iterable[Checker[E]],
    explained: Collection[str],
    *,
    unrest: str = "",
    sees: Sight = ALL,
    blind: Sequence[Blind] = (),
    known: Mapping[str, str] | None = None,
) -> list[Verdict]:
    """The verdict of each checker. `unrest`: why the system did not come to rest, if it did not.

    Raises BadChecker when one cannot judge, or finds what has no word that is `explained`.
    """
    known = known or {}
    verdicts = (_verdict(one, evidence, explained, unrest, sees, blind) for one in checkers)
    return [
        replace(verdict, is_known=True, because=known[verdict.promise])
        if verdict.promise in known and verdict.was_tested
        else verdict
        for verdict in verdicts
    ]


def _verdict(
    checker: Checker[E],
    evidence: E,
    explained: Collection[str],
    unrest: str,
    sees: Sight,
    blind: Sequence[Blind],
) -> Verdict:
    def said(
        outcome: Outcome, why: str = "", cases: int = 0, found: Sequence[Anomaly] = ()
    ) -> Verdict:
        promise = checker.promise
        return Verdict(promise.name, promise.says, outcome, found, cases, why, promise.usually)

    if unseen := checker.needs & ~sees:
        return said("not judged", because(unseen, blind))
    if checker.at_rest and unrest:
        return said("not judged", unrest)
    try:
        cases, found = _cases(checker, evidence, explained)
    except CannotJudge as reason:
        return said("not judged", str(reason))
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        raise BadChecker(
            f"{checker.name} fell over at {Path(place.filename).name}:{place.lineno}:"
            f" {type(error).__name__}: {error}"
        ) from error
    if found:
        return said("broken", cases=max(cases, len(found)), found=found)
    if unseen := checker.keeps & ~sees:
        return said("not judged", because(unseen, blind))
    return said("kept" if cases else "nothing happened", cases=cases)


def _cases(
    checker: Checker[E], evidence: E, explained: Collection[str]
) -> tuple[int, Sequence[Anomaly]]:
    """How many there were, and those in which the promise is broken."""
    cases, found = 0, []
    for case in checker.check(evidence):
        cases += 1
        if case is not None:
            if case.name not in explained:
                raise LookupError(
                    f"no anomaly explains {case.name!r}: say what it means in the subject's anomalies"
                )
            found.append(replace(case, checker=checker.name))
    return cases if checker.cases is None else len(checker.cases(evidence)), found


def anomalies_of(verdicts: Iterable[Verdict]) -> list[Anomaly]:
    """All that was found."""
    return [found for verdict in verdicts for found in verdict.found]


def counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
