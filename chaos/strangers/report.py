"""What the judge says: lines for a terminal, and a page to keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from chaos.kit.blackbox import Observations, Verdict, counted
from chaos.strangers.run import Result, Wanted

STEPS_MAX = 16
SHOWN_MAX = 3
ASKED_MAX = 50


def lines(result: Result) -> Iterator[str]:
    """One line per promise, the steps that led to each broken one, and the sum."""
    for verdict in result.verdicts:
        yield str(verdict)
    for verdict in _broken(result):
        yield ""
        yield f"BROKEN: {verdict.promise}. {verdict.says}"
        yield f"  usually: {verdict.usually}"
        yield from (f"  seen: {one.seen}" for one in verdict.found[:SHOWN_MAX])
        yield from (f"    {step}" for step in steps(verdict, result.evidence))
    yield ""
    yield summary(result)


def steps(verdict: Verdict, evidence: Observations) -> Sequence[str]:
    """How a thing came there, by the shortest of the stories."""
    stories = [
        (len(story), story)
        for thing in (one.about for one in verdict.found[:ASKED_MAX])
        if (story := list(evidence.story(thing)))
    ]
    return _shortened(min(stories)[1]) if stories else ()


def _shortened(story: Sequence[str]) -> Sequence[str]:
    """Its beginning and its end."""
    if len(story) <= STEPS_MAX:
        return story
    return [*story[: STEPS_MAX - 4], f"{len(story) - STEPS_MAX + 1} steps more", *story[-3:]]


def summary(result: Result) -> str:
    counts = dict.fromkeys(("kept", "broken", "not judged", "nothing happened"), 0)
    for verdict in result.verdicts:
        counts[verdict.outcome] += 1
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    evidence = result.evidence
    return (
        f"{len(evidence.ops)} commands, {len(evidence.told)} events, {len(evidence.faults)} faults:"
        f" {said}"
    )


def page(title: str, command: str, result: Result, wanted: Wanted) -> str:
    """The same as a page in Markdown."""
    return "\n".join(_page(title, command, result, wanted)) + "\n"


def _page(title: str, command: str, result: Result, wanted: Wanted) -> Iterator[str]:
    yield f"# Findings: {title}"
    yield ""
    yield f"Written by `{command}`, on the local servers, with seed {wanted.seed}:"
    yield f"{summary(result)}. How to read it, and to judge a system of yours:"
    yield "[strangers.md](strangers.md)."
    yield ""
    yield "| promise | verdict | what was seen |"
    yield "| --- | --- | --- |"
    for verdict in result.verdicts:
        yield f"| {verdict.promise} | {verdict.outcome} | {_cell(verdict)} |"
    for verdict in _broken(result):
        yield ""
        yield f"## {verdict.promise}"
        yield ""
        yield f"{verdict.says} What usually breaks it: {verdict.usually}."
        yield ""
        yield f"Broken in {len(verdict.found)} of {verdict.cases} cases. Some of them:"
        yield ""
        yield from (f"- {one.seen}" for one in verdict.found[:SHOWN_MAX])
        if found := steps(verdict, result.evidence):
            yield ""
            yield "The steps that led to one of them:"
            yield ""
            yield "```text"
            yield from found
            yield "```"


def _cell(verdict: Verdict) -> str:
    return " ".join(_seen(verdict).split()).replace("|", "\\|")


def _seen(verdict: Verdict) -> str:
    match verdict.outcome:
        case "kept" if verdict.is_known:
            return f"KEPT AFTER ALL: known to be broken ({verdict.because})"
        case "kept":
            return counted(verdict.cases, "case")
        case "broken" if verdict.is_known:
            return f"{verdict.found[0].seen}; known: {verdict.because}"
        case "broken":
            return verdict.found[0].seen
        case "not judged":
            return verdict.because
        case "nothing happened":
            return ""


def _broken(result: Result) -> list[Verdict]:
    return [verdict for verdict in result.verdicts if verdict.outcome == "broken"]
