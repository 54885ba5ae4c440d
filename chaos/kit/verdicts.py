"""What a judge has said of all promises of a run, in a sentence for who reads no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chaos.kit.page import Fault
from chaos.kit.promises import Verdict


def counted(verdicts: Sequence[Verdict]) -> str:
    """25 of 30 promises kept, 5 not put to the test."""
    kept = sum(one.outcome == "kept" for one in verdicts)
    idle = sum(one.outcome in ("nothing happened", "not judged") for one in verdicts)
    more = f", {idle} not put to the test" if idle else ""
    return f"{kept} of {len(verdicts)} promises kept{more}"


def sentence(
    verdicts: Sequence[Verdict], faults: Sequence[Fault], meanings: Mapping[str, str]
) -> str:
    """What broke, for a reader who reads no more; of several promises the first."""
    came = [fault for fault in faults if fault.began_s is not None]
    after = f" after {came[0].text}" if came else ""
    more = f" and {len(came) - 1} more" if len(came) > 1 else ""
    broken = [one for one in verdicts if one.outcome == "broken"]
    if not broken:
        return f"No promise broke{after}{more}: {counted(verdicts)}."
    first = broken[0].found[0]
    explained = meanings.get(first.name, broken[0].says).removesuffix(".")
    count = len(broken) - 1
    others = f"; {count} more {'promise' if count == 1 else 'promises'} broke" if count else ""
    return f"{explained}: {first.seen},{after or ' without a fault'}{more}{others}."
