"""What the judge says: one line per promise, and how each broken one came about."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import get_args

import pytest

from chaos.kit.blackbox import (
    PROMISES,
    Anomaly,
    Command,
    Event,
    Exchange,
    Fault,
    Meant,
    Observations,
    Record,
    Shown,
    Sight,
    States,
    Told,
    Verdict,
    judge,
)
from chaos.kit.promises import Outcome
from chaos.strangers.report import STEPS_MAX, lines, page, steps, summary
from chaos.strangers.run import Result, Wanted

EVIDENCE = Observations(
    States({"NEW": {"DONE"}}, {"DONE"}, {"DONE"}),
    ops=[Exchange("client 1", Command("place", mark=1001, moves={"5": -2}), Meant("ok", "17"))],
    told=[Told(Event("placed", "17", mark=1001, state="NEW"), Record("things", 2, 40, b"", b""))],
    opened={"5": 10},
    read={"17": Shown("NEW", 0, 1001)},
    held={"5": Shown(amount=10)},
    faults=[Fault("kill -9 shop", 0.0, 1.0)],
)
RESULT = Result(EVIDENCE, judge(EVIDENCE, PROMISES, sees=~Sight.VERSIONS))


def test_there_is_one_line_for_each_promise() -> None:
    said = list(lines(RESULT))[: len(PROMISES)]

    assert all(promise.name in line for promise, line in zip(PROMISES, said, strict=True))
    assert any(line.startswith("BROKEN            final_states_reached") for line in said)
    assert any("order_per_key, because VERSIONS cannot be seen" in line for line in said)


def test_the_steps_that_led_to_a_broken_promise_are_told() -> None:
    said = "\n".join(lines(RESULT))

    for step in ("client 1: place mark 1001, 5 -2 → ok", "things 2@40: placed 17 NEW", "kill -9"):
        assert step in said


def test_the_page_has_a_chapter_for_each_broken_promise() -> None:
    text = page("mine", "judge mine", RESULT, Wanted(7))

    broken = [verdict for verdict in RESULT.verdicts if verdict.outcome == "broken"]
    assert broken
    for verdict in broken:
        assert f"\n## {verdict.promise}\n" in text
    assert "with seed 7" in text


@pytest.mark.parametrize("is_known", [True, False])
def test_the_page_has_a_row_for_each_promise_whatever_became_of_it(*, is_known: bool) -> None:
    known = {"final_states_reached": "issue 17", "never_negative": "once"} if is_known else {}
    verdicts = judge(EVIDENCE, PROMISES, sees=~Sight.VERSIONS, known=known)
    assert {one.outcome for one in verdicts} == {*get_args(Outcome)}

    text = page("mine", "judge mine", Result(EVIDENCE, verdicts), Wanted(7))

    rows = [row.split(" | ") for row in text.splitlines() if row.startswith("| ")][2:]
    assert [(row[0], row[1]) for row in rows] == [
        (f"| {one.promise}", one.outcome) for one in verdicts
    ]
    cells = {row[0].removeprefix("| "): row[2] for row in rows}
    assert ("KEPT AFTER ALL" in cells["never_negative"]) == is_known
    assert ("known: issue 17" in cells["final_states_reached"]) == is_known
    chapters = [line for line in text.splitlines() if line.startswith("## ")]
    assert chapters == [f"## {one.promise}" for one in verdicts if one.outcome == "broken"]


def test_the_sum_counts_each_verdict_once() -> None:
    counts = Counter(one.outcome for one in RESULT.verdicts)

    said = summary(RESULT)

    assert said.startswith("1 commands, 1 events, 1 faults: ")
    assert sum(counts.values()) == len(PROMISES)
    assert all(f"{count} {outcome}" in said for outcome, count in counts.items())


def test_of_a_broken_promise_what_was_seen_is_said() -> None:
    broken = [one for one in RESULT.verdicts if one.outcome == "broken"]
    said = list(lines(RESULT))
    written = page("mine", "judge mine", RESULT, Wanted(7)).splitlines()

    assert broken
    for one in broken:
        assert f"  seen: {one.found[0].seen}" in said
        assert f"- {one.found[0].seen}" in written


def test_of_many_stories_the_shortest_is_told_and_of_a_long_one_its_beginning_and_its_end() -> None:
    short = Told(Event("placed", "9", state="NEW"), Record("things", 0, 900, b"", b"short"))
    long = [
        Told(
            Event("changed", "17", id=str(number)),
            Record("things", 0, number, b"", b"", at_s=number),
        )
        for number in range(40)
    ]
    evidence = replace(EVIDENCE, told=long, ops=[], faults=[])
    verdict = Verdict(
        "it",
        "It.",
        "broken",
        [Anomaly("lost", "long", about="17"), Anomaly("lost", "short", about="9")],
    )

    told = steps(verdict, evidence)
    both = steps(verdict, replace(evidence, told=[*long, short]))

    assert len(told) == STEPS_MAX
    assert "things 0@0" in told[0]
    assert "steps more" in told[STEPS_MAX - 4]
    assert told[-1].startswith("at rest")
    assert len(both) == 1
    assert "things 0@900" in both[0]


def test_a_cell_of_the_page_ends_where_it_should_whatever_was_seen_or_said() -> None:
    rest, names = (one for one in PROMISES if one.name in ("rest_is_reached", "published_once"))
    seen = Verdict(rest.name, rest.promise.says, "broken", [Anomaly("no rest", "a|b\nc")])
    said = Verdict(names.name, names.promise.says, "not judged", because="its ids are topic|offset")

    rows = page("mine", "judge mine", Result(EVIDENCE, [seen, said]), Wanted(7)).splitlines()

    assert f"| {rest.name} | broken | a\\|b c |" in rows
    assert f"| {names.name} | not judged | its ids are topic\\|offset |" in rows
