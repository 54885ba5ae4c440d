"""Promises and verdicts: kept, broken, not judged, or nothing happened.

A promise that was never put to the test is not kept: of a system that shows nothing, nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from chaos.kit.blackbox.evidence import Evidence
from chaos.kit.blackbox.stranger import Blind, Sight

KEPT: None = None
NOTHING = Sight(0)


@dataclass(frozen=True, slots=True)
class Breach:
    """One case in which a promise is broken."""

    seen: str
    about: str = ""
    """The thing whose story shows it, if there is one."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a system owes. `check` yields one item per case: KEPT, or the breach."""

    name: str
    says: str
    usually: str
    """Which mistakes usually break it."""
    needs: Sight
    check: Callable[[Evidence], Iterator[Breach | None]]
    at_rest: bool = False
    """Whether it can be judged only once all has come to rest: what moves still looks broken."""
    keeps: Sight = NOTHING
    """Without these it can be seen to be broken, and never to be kept."""


Outcome = Literal["kept", "broken", "not judged", "nothing happened"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge says of one promise."""

    promise: Promise
    outcome: Outcome
    cases: int = 0
    breaches: Sequence[Breach] = ()
    because: str = ""
    """Why it was not judged; or why it is known to be broken."""
    is_known: bool = False

    @property
    def counts(self) -> bool:
        """Whether the system, or what is known of it, is not as was said."""
        return (self.outcome == "broken") != self.is_known and self.outcome in ("kept", "broken")

    def __str__(self) -> str:
        name = self.promise.name
        match self.outcome:
            case "kept" if self.is_known:
                return f"KEPT AFTER ALL    {name}: known to be broken ({self.because})"
            case "kept":
                return f"kept              {name} ({counted(self.cases, 'case')})"
            case "broken":
                known = f"; known: {self.because}" if self.is_known else ""
                count = f"{len(self.breaches)} of {counted(self.cases, 'case')}"
                return f"BROKEN            {name} ({count}): {self.breaches[0].seen}{known}"
            case "not judged":
                return f"not judged        {name}, because {self.because}"
            case "nothing happened":
                return f"nothing happened  {name}: no case of it came up"


def judge(
    evidence: Evidence,
    promises: Collection[Promise],
    *,
    sees: Sight,
    blind: Sequence[Blind] = (),
    known: Mapping[str, str] | None = None,
) -> list[Verdict]:
    """The verdict of each promise."""
    known = known or {}
    verdicts = [_verdict(promise, evidence, sees, blind) for promise in promises]
    return [
        replace(verdict, is_known=True, because=known[verdict.promise.name])
        if verdict.promise.name in known and verdict.outcome in ("kept", "broken")
        else verdict
        for verdict in verdicts
    ]


def _verdict(promise: Promise, evidence: Evidence, sees: Sight, blind: Sequence[Blind]) -> Verdict:
    if unseen := promise.needs & ~sees:
        return Verdict(promise, "not judged", because=_because(unseen, blind))
    if promise.at_rest and evidence.missing:
        why = f"it never came to rest: {evidence.missing[0]}"
        return Verdict(promise, "not judged", because=why)
    cases = list(promise.check(evidence))
    breaches = [case for case in cases if case is not None]
    if breaches:
        return Verdict(promise, "broken", len(cases), breaches)
    if unseen := promise.keeps & ~sees:
        return Verdict(promise, "not judged", because=_because(unseen, blind))
    return Verdict(promise, "kept" if cases else "nothing happened", len(cases))


def _because(unseen: Sight, blind: Sequence[Blind]) -> str:
    reasons = [one.because for one in blind if one.sight & unseen]
    return "; ".join(dict.fromkeys(reasons)) or f"{names(unseen)} cannot be seen"


def names(sight: Sight) -> str:
    """As they are written in an adapter."""
    return " and ".join(str(one.name) for one in sight)


def counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
