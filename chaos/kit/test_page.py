"""A page says first what broke, names what was not put to the test, and needs nothing but itself."""

from __future__ import annotations

import re

import pytest

from chaos.kit.page import (
    Asked,
    Fault,
    Lane,
    Line,
    Mark,
    Page,
    Picture,
    Said,
    Spot,
    html,
)
from chaos.kit.promises import Anomaly, Verdict

FAULT = Fault("kill -9 writer", "it is gone", 1.0, 2.0)
NEVER = Fault("kill -9 reader")
LANES = (
    Lane("buyer", [Mark(0.9, "POST /things", "ok")]),
    Lane("writer", [Mark(1.0, "INJECTED", "fault"), Mark(1.2, "commit", "sql")]),
    Lane("thing.made"),
)
LINES = (
    Line(Spot("buyer", 0.9), Spot("writer", 1.0), "asked"),
    Line(Spot("writer", 1.2), Spot("thing.made", 1.4), "published", is_suspect=True),
    Line(Spot("writer", 8.0), Spot("thing.made", 9.0), "later than the picture"),
    Line(Spot("writer", 1.0), Spot("thing.lost", 1.1), "to no lane"),
)
VERDICTS = (
    Verdict("kept_one", "One holds.", "kept"),
    Verdict("idle_one", "Two holds.", "nothing happened"),
    Verdict("late_one", "Three holds.", "not judged", because="it did not come to rest"),
    Verdict("broken_one", "Four holds.", "broken", [Anomaly("lost", "thing <7>")]),
)
PAGE = Page(
    title="a run",
    sentence="A thing is gone: thing <7>, after kill -9 writer.",
    command="python -m chaos replay 'a/1' --mutant b",
    facts=["seed 1"],
    verdicts=VERDICTS,
    explained={"lost": "It is gone."},
    stories={"thing 7": [Said(1.0, "buyer", "POST /things")]},
    pictures=[Picture("Around the faults", LANES, 0.5, 3.0, LINES, [FAULT, NEVER], [(1.0, 4)])],
    faults=[FAULT, NEVER],
    recoveries=[("no lag", "0.25 s")],
    asked=[Asked(0.9, "buyer", "POST /things", "ok", is_near=True)],
    trace=[Said(number / 10, "writer", f"step {number}", number == 50) for number in range(100)],
)


def test_it_begins_with_the_sentence_that_says_what_broke() -> None:
    shown = html(PAGE)
    assert re.search(r"<h1>A thing is gone: thing &lt;7&gt;, after kill -9 writer.</h1>", shown)
    order = ["<h1>", PAGE.title + ":", "Broken: 1 of 4 promises", "broken_one", "The story of"]
    order += ["Around the faults", "Recovery", "All promises", "kept_one", "What clients did"]
    places = [shown.index(part) for part in order]
    assert places == sorted(places)


def test_it_names_what_was_not_put_to_the_test_and_folds_what_was_kept() -> None:
    shown = html(PAGE)
    assert "Nothing happened</span> that could break 1 of them" in shown
    assert "<code>idle_one</code>" in shown
    assert "<code>late_one</code>: it did not come to rest" in shown
    assert "<details><summary>1 promise kept</summary>" in shown


def test_it_labels_faults_and_says_of_one_that_never_came() -> None:
    shown = html(PAGE)
    assert '<text class="name"' in shown
    assert "it is gone (from 1.00 s to 2.00 s)" in shown
    assert "<code>kill -9 reader</code> (<b>never came</b>)" in shown


def test_it_draws_the_lines_whose_ends_are_in_the_picture() -> None:
    shown = html(PAGE)
    assert shown.count('<path class="cause"') == shown.count('<path class="suspect"') == 2
    assert shown.count("<circle") == 1
    assert "to no lane" not in shown


def test_its_trace_is_open_around_the_fault_and_folded_elsewhere() -> None:
    shown = html(PAGE)
    folded = re.findall(r"<details><summary>(\d+) lines</summary>", shown)
    assert [int(count) for count in folded] == [36, 35]


@pytest.mark.parametrize("part", ["<script", "http://", "https://", "src="])
def test_it_needs_nothing_from_elsewhere(part: str) -> None:
    assert part not in html(PAGE)
