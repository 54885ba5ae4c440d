"""What a checker is: a promise, and a function that finds where the evidence breaks it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass, replace
from pathlib import Path

from chaos.kit.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A broken promise: its name, which a table of anomalies explains, and what was seen."""

    name: str
    seen: str
    checker: str = ""

    def __str__(self) -> str:
        return f"{self.checker}: {self.name}: {self.seen}"


Check = Callable[[Evidence], Iterable[Anomaly]]


@dataclass(frozen=True, slots=True)
class Checker:
    """Judges one promise."""

    name: str
    promise: str
    check: Check
    cases: Callable[[Evidence], Sized] = lambda evidence: evidence.history or evidence.told
    """What of the evidence could break it. Nothing: the promise was not put to the test.

    Without a key that was sent twice, "requests with one key have one effect" is not kept: nothing
    happened.
    """
    at_rest: bool = False
    """It judges only a system that came to rest: before that, views may lag behind."""

    def is_asked(self, evidence: Evidence) -> bool:
        """Whether it can judge this evidence at all."""
        return not (self.at_rest and evidence.missing)

    def also(self, *more: Check) -> Checker:
        """The same promise, where a system has more ways to break it than all systems have."""
        checks = (self.check, *more)
        return replace(self, check=lambda evidence: _by_all(checks, evidence))


def _by_all(checks: Iterable[Check], evidence: Evidence) -> Iterator[Anomaly]:
    for check in checks:
        yield from check(evidence)


class BadChecker(Exception):
    """A checker fell over. The text is one line that says which, and why."""


def judge(
    evidence: Evidence, checkers: Mapping[str, Checker], anomalies: Mapping[str, str]
) -> Iterator[Anomaly]:
    """What each checker finds. Raises BadChecker when one cannot judge, or has no word for it."""
    for checker in checkers.values():
        try:
            for found in checker.check(evidence) if checker.is_asked(evidence) else ():
                if found.name not in anomalies:
                    raise LookupError(f"anomalies.py does not explain {found.name!r}")
                yield replace(found, checker=checker.name)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            raise BadChecker(
                f"{checker.name} fell over at {Path(place.filename).name}:{place.lineno}:"
                f" {type(error).__name__}: {error}"
            ) from error
