"""Checkers of the kit's own evidence: with the stores of a run before them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from chaos.kit import promises
from chaos.kit.evidence import Evidence
from chaos.kit.promises import Verdict

Check: TypeAlias = promises.Check[Evidence]
Checker: TypeAlias = promises.Checker[Evidence]


def judge(
    evidence: Evidence, checkers: Iterable[Checker], anomalies: Mapping[str, str]
) -> list[Verdict]:
    """What each checker says. Raises BadChecker when one cannot judge, or has no word for it."""
    unrest = f"it never came to rest: {evidence.missing[0]}" if evidence.missing else ""
    return promises.judge(evidence, checkers, anomalies, unrest=unrest)
