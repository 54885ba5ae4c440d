"""What the judge says: one line per promise, and how each broken one came about."""

from __future__ import annotations

from chaos.kit.blackbox import (
    PROMISES,
    Command,
    Event,
    Evidence,
    Fault,
    Meant,
    Op,
    Record,
    Shown,
    Sight,
    States,
    Told,
    judge,
)
from chaos.strangers.report import lines, page
from chaos.strangers.run import Result, Wanted

EVIDENCE = Evidence(
    States({"NEW": {"DONE"}}, {"DONE"}, {"DONE"}),
    ops=[Op("client 1", Command("place", mark=1001, moves={"5": -2}), Meant("ok", "17"))],
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
    assert any(line.startswith("BROKEN            final states reached") for line in said)
    assert any("order per key, because VERSIONS cannot be seen" in line for line in said)


def test_the_steps_that_led_to_a_broken_promise_are_told() -> None:
    said = "\n".join(lines(RESULT))

    for step in ("client 1: place mark 1001, 5 -2 → ok", "things 2@40: placed 17 NEW", "kill -9"):
        assert step in said


def test_the_page_has_a_chapter_for_each_broken_promise() -> None:
    text = page("mine", "judge mine", RESULT, Wanted(7))

    broken = [verdict for verdict in RESULT.verdicts if verdict.outcome == "broken"]
    assert broken
    for verdict in broken:
        assert f"\n## {verdict.promise.name}\n" in text
    assert "with seed 7" in text
