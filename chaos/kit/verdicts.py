"""What a judge says of each promise: broken, kept, not judged, or that nothing happened that could break it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chaos.kit.checkers.checker import Anomaly, Checker
from chaos.kit.evidence import Evidence
from chaos.kit.page import Fault, Finding, Verdict

NO_REST = "the system did not come to rest"


def verdicts(
    evidence: Evidence,
    anomalies: Iterable[Anomaly],
    checkers: Iterable[Checker],
    explained: Mapping[str, str],
) -> list[Verdict]:
    """One for each checker, by what it has found; broken ones first."""
    found: dict[str, list[Finding]] = {}
    for one in anomalies:
        finding = Finding(one.name, one.seen, explained.get(one.name, ""))
        found.setdefault(one.checker, []).append(finding)
    all_of_them = [_verdict(one, evidence, found.get(one.name, ())) for one in checkers]
    return sorted(all_of_them, key=lambda verdict: verdict.outcome != "broken")


def _verdict(checker: Checker, evidence: Evidence, found: Sequence[Finding]) -> Verdict:
    name, says = checker.name, checker.promise
    if found:
        return Verdict(name, says, "broken", found)
    if not checker.is_asked(evidence):
        return Verdict(name, says, "not judged", because=NO_REST)
    return Verdict(name, says, "kept" if len(checker.cases(evidence)) else "nothing happened")


def counted(verdicts: Sequence[Verdict]) -> str:
    """25 of 30 promises kept, 5 not put to the test."""
    kept = sum(one.outcome == "kept" for one in verdicts)
    idle = sum(one.outcome in ("nothing happened", "not judged") for one in verdicts)
    more = f", {idle} not put to the test" if idle else ""
    return f"{kept} of {len(verdicts)} promises kept{more}"


def sentence(verdicts: Sequence[Verdict], faults: Sequence[Fault]) -> str:
    """What broke, for a reader who reads no more; of several promises the first."""
    came = [fault for fault in faults if fault.began_s is not None]
    after = f" after {came[0].text}" if came else ""
    more = f" and {len(came) - 1} more" if len(came) > 1 else ""
    broken = [one for one in verdicts if one.outcome == "broken"]
    if not broken:
        return f"No promise broke{after}{more}: {counted(verdicts)}."
    first = broken[0].found[0]
    explained = first.explained.removesuffix(".") or broken[0].says.removesuffix(".")
    count = len(broken) - 1
    others = f"; {count} more {'promise' if count == 1 else 'promises'} broke" if count else ""
    return f"{explained}: {first.seen},{after or ' without a fault'}{more}{others}."
