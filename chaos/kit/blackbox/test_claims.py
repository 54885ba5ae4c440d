"""A sight that an adapter claims and the run does not have is taken back, and no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chaos.kit.blackbox.claims import not_borne_out, without
from chaos.kit.blackbox.language import Command, Event, Meant, Shown
from chaos.kit.blackbox.observations import Exchange, Observations
from chaos.kit.blackbox.promises import PROMISES, judge
from chaos.kit.blackbox.test_promises import ALL, HELD, PLACED, RELEASED, RESERVED, place, told
from chaos.kit.promises import Sight


def looked_at(do: str, about: str) -> Exchange:
    return Exchange("judge", Command(do, about), Meant("ok"))  # type: ignore[arg-type] # one of `Do`


LOOKS = [looked_at("read", "1"), looked_at("read account", "a")]
SEEN = replace(HELD, ops=[place(), *LOOKS])
AGAIN = replace(RESERVED, record=replace(RESERVED.record, offset=9))


def seen_as(told_: Event) -> Observations:
    return replace(SEEN, told=[PLACED, replace(RESERVED, event=told_)])


@pytest.mark.parametrize(
    ("evidence", "sight", "why"),
    [
        (replace(SEEN, read={"1": Shown("HELD", 14, 5)}), Sight.MARKS, "no thing that was read"),
        (replace(SEEN, read={"1": Shown("HELD", 14)}), Sight.MARKS, "no thing that was read"),
        (
            replace(SEEN, told=[replace(PLACED, event=replace(PLACED.event, mark=5)), RESERVED]),
            Sight.MARKS,
            "no event has the mark",
        ),
        (replace(SEEN, ops=[place(), LOOKS[1]], read={}), Sight.READS, "has no `read`"),
        (replace(SEEN, held={"a": Shown()}), Sight.AMOUNTS, "shows an `amount`"),
        (replace(SEEN, ops=[place(), LOOKS[0]], held={}), Sight.AMOUNTS, "has no `read account`"),
        (seen_as(replace(RESERVED.event, moves={})), Sight.MOVES, "has `moves`"),
        (
            replace(
                SEEN,
                told=[*SEEN.told, replace(AGAIN, event=replace(AGAIN.event, id="another"))],
            ),
            Sight.EVENT_IDS,
            "two ids",
        ),
        (seen_as(replace(RESERVED.event, version=1)), Sight.VERSIONS, "two versions"),
    ],
    ids=[
        "another mark is read",
        "no mark is read",
        "another mark is told",
        "no read",
        "no amount",
        "no read of accounts",
        "no moves",
        "an id for each reading",
        "one version for all",
    ],
)
def test_what_the_run_does_not_show_is_taken_back_and_neither_blamed_nor_kept(
    evidence: Observations, sight: Sight, why: str
) -> None:
    (blind,) = not_borne_out(evidence, ALL)
    assert blind.sight == sight
    assert why in blind.because
    assert not_borne_out(evidence, ~sight) == []

    verdicts = judge(without(evidence, sight), PROMISES, sees=~sight, blind=[blind])
    assert [str(one) for one in verdicts if one.outcome == "broken"] == []
    concerned = {one.name for one in PROMISES if sight in one.needs}
    assert {one.promise for one in verdicts if one.because == blind.because} == concerned


@pytest.mark.parametrize(
    "evidence",
    [
        SEEN,
        replace(SEEN, told=[]),
        replace(SEEN, read={}, held={}),
        replace(SEEN, ops=[], opened={}),
        replace(SEEN, told=[*SEEN.told, AGAIN]),
        replace(
            SEEN,
            ops=[place(), place(8, "2"), *LOOKS],
            read={"1": Shown("HELD", 14, 7), "2": Shown("HELD", 14, 7)},
        ),
        replace(SEEN, ops=[*SEEN.ops, replace(place(9), meant=Meant("fail", "1"))]),
        replace(SEEN, told=[RESERVED]),
        replace(SEEN, opened={"a": 10, "b": 5}, held={**SEEN.held, "b": Shown()}),
        replace(SEEN, told=[*SEEN.told, told(replace(RELEASED.event, moves={}), offset=2)]),
        replace(
            SEEN,
            told=[
                *SEEN.told,
                *(told(Event("changed", "2", id=id, state=id, version=1)) for id in ("e8", "e9")),
            ],
        ),
    ],
    ids=[
        "all",
        "no record",
        "all is lost",
        "no command",
        "a repeat",
        "one mark of two is wrong",
        "a refusal names what is there already",
        "the event that has the mark is lost",
        "one amount of two is not shown",
        "one event of two has no moves",
        "one thing of two has one version for all",
    ],
)
def test_what_a_system_loses_or_spoils_takes_no_sight_back(evidence: Observations) -> None:
    assert not_borne_out(evidence, ALL) == []


def test_two_events_that_say_the_same_are_no_repeat_where_their_records_differ() -> None:
    twice = told(replace(RESERVED.event, id="e9"), offset=9)
    other = replace(twice, record=replace(twice.record, headers={"id": b"e9"}))

    assert not_borne_out(replace(SEEN, told=[*SEEN.told, other]), ALL) == []
