"""Each promise, on books written by hand: kept, broken, not judged, nothing happened."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chaos.kit.history import Outcome
from chaos.kit.promises import Check, Checker
from load.kit import promises
from load.kit.evidence import Asked, Evidence, Facts, Seen, Step
from load.kit.promises import MAKING, Account, Books, Thing


class Doors:
    """A system of doors: each is made closed, may be opened once, and has to be open in the end."""

    def follows(self, step: str, facts: Facts) -> bool:
        return step == MAKING or bool(facts["open"])

    def ends_well(self, facts: Facts) -> bool:
        return bool(facts["open"])

    def rank(self, facts: Facts) -> tuple[int, ...]:
        return (int(facts["open"]),)


OPEN: Facts = {"open": True, "colour": "red"}
CLOSED: Facts = {"open": False, "colour": "red"}
EVIDENCE = Evidence(
    run={},
    asked=[
        Asked(7, Outcome.OK, 1, {"colour": "red"}),
        Asked(8, Outcome.FAIL),
        Asked(9, Outcome.INFO),
    ],
    steps=[Step(1, "open", Outcome.OK)],
    seen=[Seen(1, MAKING, CLOSED), Seen(1, "open", OPEN)],
    gap="",
)
DOOR = Thing(1, 7, OPEN, {5: 2})
GOOD = Books(
    EVIDENCE,
    Doors(),
    written={1: DOOR},
    shown={1: DOOR},
    accounts=[Account(5, 10, 8)],
    pairs=[("frame 3", "oak", "oak")],
    parked={"painter": 0},
)
NONE = Books(replace(EVIDENCE, asked=[], steps=[], seen=[]), Doors(), parked={})

CHECKS: list[Check[Books]] = [
    promises.acknowledged_is_kept,
    promises.acknowledged_is_shown,
    promises.done_once,
    promises.both_sides_agree,
    promises.amounts_conserved,
    promises.nothing_oversold,
    promises.token_honoured,
    promises.readers_never_go_back,
    promises.ends_well,
    promises.nothing_parked,
]


def verdict(check: Check[Books], books: Books, *, unrest: str = "") -> str:
    checker = Checker("it", "It holds.", check, at_rest=True)
    (found,) = promises.judge(books, [checker], unrest=unrest)
    return found.outcome


@pytest.mark.parametrize("check", CHECKS)
def test_a_promise_is_kept_where_all_is_well(check: Check[Books]) -> None:
    assert verdict(check, GOOD) == "kept"


@pytest.mark.parametrize("check", CHECKS)
def test_silence_is_not_keeping(check: Check[Books]) -> None:
    assert verdict(check, NONE) == "nothing happened"


@pytest.mark.parametrize("check", CHECKS)
def test_what_needs_rest_is_not_judged_without_it(check: Check[Books]) -> None:
    assert verdict(check, GOOD, unrest="3 records before the painter") == "not judged"


def _seen(*seen: Seen) -> Evidence:
    return replace(EVIDENCE, seen=seen)


@pytest.mark.parametrize(
    ("check", "books"),
    [
        (promises.acknowledged_is_kept, replace(GOOD, written={})),
        (promises.acknowledged_is_kept, replace(GOOD, written={1: replace(DOOR, facts=CLOSED)})),
        (
            promises.acknowledged_is_kept,
            replace(GOOD, written={1: replace(DOOR, facts={**OPEN, "colour": "blue"})}),
        ),
        (promises.acknowledged_is_shown, replace(GOOD, shown={})),
        (promises.done_once, replace(GOOD, written={1: DOOR, 2: replace(DOOR, id=2)})),
        (promises.done_once, replace(GOOD, written={1: replace(DOOR, mark=8)})),
        (promises.done_once, replace(GOOD, written={1: replace(DOOR, mark=99)})),
        (promises.both_sides_agree, replace(GOOD, shown={1: replace(DOOR, facts=CLOSED)})),
        (promises.both_sides_agree, replace(GOOD, written={})),
        (promises.both_sides_agree, replace(GOOD, shown={})),
        (promises.both_sides_agree, replace(GOOD, pairs=[("frame 3", "oak", None)])),
        (promises.amounts_conserved, replace(GOOD, accounts=[Account(5, 10, 9)])),
        (promises.nothing_oversold, replace(GOOD, accounts=[Account(5, 1, 0)])),
        (promises.nothing_oversold, replace(GOOD, accounts=[Account(5, 1, -1)])),
        (promises.token_honoured, replace(GOOD, evidence=_seen(Seen(1, "open", CLOSED)))),
        (promises.token_honoured, replace(GOOD, evidence=_seen(Seen(1, MAKING, None)))),
        (
            promises.readers_never_go_back,
            replace(GOOD, evidence=_seen(Seen(1, MAKING, OPEN), Seen(1, MAKING, CLOSED))),
        ),
        (
            promises.readers_never_go_back,
            replace(GOOD, evidence=_seen(Seen(1, MAKING, OPEN), Seen(1, MAKING, None))),
        ),
        (promises.ends_well, replace(GOOD, written={1: replace(DOOR, facts=CLOSED)})),
        (promises.nothing_parked, replace(GOOD, parked={"painter": 1})),
    ],
)
def test_a_promise_is_broken_by_one_wrong_case(check: Check[Books], books: Books) -> None:
    assert verdict(check, books) == "broken"


def test_an_unanswered_request_may_have_made_one_thing() -> None:
    books = replace(GOOD, written={1: DOOR, 2: replace(DOOR, id=2, mark=9)})

    assert verdict(promises.done_once, books) == "kept"


def test_a_command_without_an_answer_need_not_have_done_anything() -> None:
    steps = [Step(1, "open", Outcome.INFO)]
    books = replace(
        GOOD,
        evidence=replace(EVIDENCE, steps=steps),
        written={1: replace(DOOR, facts=CLOSED)},
    )

    assert verdict(promises.acknowledged_is_kept, books) == "kept"


@pytest.mark.parametrize(
    ("check", "books"),
    [
        (promises.done_once, replace(GOOD, evidence=replace(EVIDENCE, gap="a worker is gone"))),
        (promises.amounts_conserved, replace(GOOD, accounts=[Account(5, None, 8)])),
        (promises.nothing_parked, replace(GOOD, parked=None)),
    ],
)
def test_what_is_not_known_is_not_judged(check: Check[Books], books: Books) -> None:
    assert verdict(check, books) == "not judged"
