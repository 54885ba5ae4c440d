"""Each promise, on books written by hand: kept, broken, not judged, nothing happened."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chaos.kit.history import Outcome
from chaos.kit.promises import Check, Checker, Promise
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
    promises.acknowledged_has_its_effect,
    promises.acknowledged_is_shown,
    promises.refused_has_no_effect,
    promises.commands_take_effect_once,
    promises.nothing_unasked,
    promises.views_show_the_truth,
    promises.amounts_are_held_by_things,
    promises.never_negative,
    promises.never_more_than_there_is,
    promises.consistency_token_honoured,
    promises.readers_never_go_back,
    promises.final_states_reached,
    promises.dead_letters_are_the_poison,
]


def verdict(check: Check[Books], books: Books, *, unrest: str = "") -> str:
    checker = Checker(Promise("it", "It holds."), check, at_rest=True)
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
        (promises.acknowledged_has_its_effect, replace(GOOD, written={})),
        (
            promises.acknowledged_has_its_effect,
            replace(GOOD, written={1: replace(DOOR, facts=CLOSED)}),
        ),
        (
            promises.acknowledged_has_its_effect,
            replace(GOOD, written={1: replace(DOOR, facts={**OPEN, "colour": "blue"})}),
        ),
        (promises.acknowledged_is_shown, replace(GOOD, shown={})),
        (
            promises.commands_take_effect_once,
            replace(GOOD, written={1: DOOR, 2: replace(DOOR, id=2)}),
        ),
        (promises.refused_has_no_effect, replace(GOOD, written={1: replace(DOOR, mark=8)})),
        (promises.nothing_unasked, replace(GOOD, written={1: replace(DOOR, mark=99)})),
        (promises.views_show_the_truth, replace(GOOD, shown={1: replace(DOOR, facts=CLOSED)})),
        (promises.views_show_the_truth, replace(GOOD, written={})),
        (promises.views_show_the_truth, replace(GOOD, shown={})),
        (promises.views_show_the_truth, replace(GOOD, pairs=[("frame 3", "oak", None)])),
        (promises.amounts_are_held_by_things, replace(GOOD, accounts=[Account(5, 10, 9)])),
        (promises.never_more_than_there_is, replace(GOOD, accounts=[Account(5, 1, 0)])),
        (promises.never_negative, replace(GOOD, accounts=[Account(5, 1, -1)])),
        (
            promises.consistency_token_honoured,
            replace(GOOD, evidence=_seen(Seen(1, "open", CLOSED))),
        ),
        (promises.consistency_token_honoured, replace(GOOD, evidence=_seen(Seen(1, MAKING, None)))),
        (
            promises.readers_never_go_back,
            replace(GOOD, evidence=_seen(Seen(1, MAKING, OPEN), Seen(1, MAKING, CLOSED))),
        ),
        (
            promises.readers_never_go_back,
            replace(GOOD, evidence=_seen(Seen(1, MAKING, OPEN), Seen(1, MAKING, None))),
        ),
        (promises.final_states_reached, replace(GOOD, written={1: replace(DOOR, facts=CLOSED)})),
        (promises.dead_letters_are_the_poison, replace(GOOD, parked={"painter": 1})),
    ],
)
def test_a_promise_is_broken_by_one_wrong_case(check: Check[Books], books: Books) -> None:
    assert verdict(check, books) == "broken"


def test_an_unanswered_request_may_have_made_one_thing() -> None:
    books = replace(GOOD, written={1: DOOR, 2: replace(DOOR, id=2, mark=9)})

    assert verdict(promises.commands_take_effect_once, books) == "kept"


def test_a_command_without_an_answer_need_not_have_done_anything() -> None:
    steps = [Step(1, "open", Outcome.INFO)]
    books = replace(
        GOOD,
        evidence=replace(EVIDENCE, steps=steps),
        written={1: replace(DOOR, facts=CLOSED)},
    )

    assert verdict(promises.acknowledged_has_its_effect, books) == "kept"


@pytest.mark.parametrize(
    ("check", "books"),
    [
        (
            promises.nothing_unasked,
            replace(GOOD, evidence=replace(EVIDENCE, gap="a worker is gone")),
        ),
        (promises.amounts_are_held_by_things, replace(GOOD, accounts=[Account(5, None, 8)])),
        (promises.dead_letters_are_the_poison, replace(GOOD, parked=None)),
    ],
)
def test_what_is_not_known_is_not_judged(check: Check[Books], books: Books) -> None:
    assert verdict(check, books) == "not judged"
