"""Each promise is once kept and once broken, on evidence that is written by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import pytest

from chaos.kit.blackbox.language import (
    Answer,
    Command,
    Do,
    Event,
    Kind,
    Meant,
    Record,
    Shown,
    States,
)
from chaos.kit.blackbox.observations import Exchange, Fault, Observations, Told
from chaos.kit.blackbox.promises import PROMISES, judge
from chaos.kit.promises import Blind, Sight, Verdict

STATES = States(
    steps={"NEW": {"HELD", "OUT"}, "HELD": {"ENDED"}},
    final={"HELD", "OUT", "ENDED"},
    holds={"HELD"},
    after={"cancel": {"ENDED"}, "reserved": {"HELD", "ENDED"}},
)
TELLS: Mapping[Do, tuple[Kind, ...]] = {"place": ("placed",), "cancel": ("ended",)}
Outcome = Literal["ok", "fail", "info"]
ALL = ~Sight(0)
MOVES = {"a": -2}


def verdict(name: str, evidence: Observations, sees: Sight = ALL) -> Verdict:
    (promise,) = (one for one in PROMISES if one.name == name)
    (found,) = judge(evidence, [promise], sees=sees)
    return found


def place(mark: int = 7, about: str = "1", outcome: str = "ok", key: str | None = None) -> Exchange:
    command = Command("place", mark=mark, moves=MOVES, key=key)
    match outcome:
        case "ok":
            return Exchange("one", command, Meant("ok", about))
        case "info":
            return Exchange("one", command, Meant("info"))
        case "unheard":
            return Exchange("one", command, Meant("fail"), answer=Answer("refused"))
        case _:
            return Exchange("one", command, Meant("fail"), answer=Answer("answered", 409))


def cancel(about: str = "1") -> Exchange:
    return Exchange("one", Command("cancel", about), Meant("ok"))


def look(about: str, state: str | None, began_s: float) -> Exchange:
    meant = Meant("fail") if state is None else Meant("ok", shows=Shown(state))
    return Exchange("one", Command("view", about), meant, began_s=began_s)


def told(event: Event, partition: int = 0, offset: int = 0, topic: str = "things") -> Told:
    return Told(event, Record(topic, partition, offset, b"", str(event).encode()))


PLACED = told(Event("placed", "1", mark=7, id="e1", state="NEW", version=1))
RESERVED = told(Event("reserved", "1", moves=MOVES, id="e2", state="HELD", version=2), offset=1)
RELEASED = told(Event("released", "1", moves={"a": 2}, id="e3", state="ENDED", version=3), offset=2)
AGAIN = told(Event("reserved", "1", moves=MOVES, id="e4", state="HELD", version=3), offset=3)
ENDED = told(Event("ended", "1", id="e5", state="ENDED", version=4), offset=4)

NOTHING = Observations(STATES, TELLS)
HELD = Observations(
    STATES,
    TELLS,
    ops=[place()],
    told=[PLACED, RESERVED],
    opened={"a": 10},
    read={"1": Shown("HELD", 14, 7)},
    held={"a": Shown(amount=8)},
    viewed={"1": Shown("HELD", 14, 7)},
    held_in_views={"a": Shown(amount=8)},
    missing=(),
    processes=["shop"],
)
OVER = replace(
    HELD,
    ops=[place(), cancel()],
    told=[PLACED, RESERVED, RELEASED, ENDED],
    read={"1": Shown("ENDED", 14, 7)},
    held={"a": Shown(amount=10)},
)
TWO = {"1": Shown("HELD", 14, 7), "2": Shown("HELD", 16, 8)}
LETTER = Record("dlq", 0, 0, b"", b"poison")

CASES: dict[str, tuple[Observations, Observations]] = {
    # first evidence that keeps the promise, then some that breaks it
    "acknowledged_has_its_event": (OVER, replace(OVER, told=[PLACED, RESERVED, RELEASED])),
    "acknowledged_has_its_effect": (OVER, replace(OVER, read={"1": Shown("HELD", 14, 7)})),
    "refused_has_no_effect": (
        replace(HELD, ops=[place(outcome="fail")], told=[], read={}),
        replace(HELD, ops=[place(outcome="fail")], read={}),
    ),
    "keys_count_once": (
        replace(HELD, ops=[place(key="k", outcome="info"), place(key="k")]),
        replace(HELD, ops=[place(key="k"), place(about="2", key="k")]),
    ),
    "commands_take_effect_once": (
        replace(HELD, ops=[place(outcome="info"), place()]),
        replace(HELD, read={"1": Shown("HELD", 14, 7), "2": Shown("HELD", 14, 7)}),
    ),
    "nothing_unasked": (HELD, replace(HELD, ops=[])),
    "one_partition_per_key": (
        HELD,
        replace(
            HELD, told=[PLACED, replace(RESERVED, record=replace(RESERVED.record, partition=2))]
        ),
    ),
    "order_per_key": (HELD, replace(HELD, told=[RESERVED, PLACED])),
    "published_once": (
        replace(HELD, told=[PLACED, PLACED], faults=[Fault("kill", 0, 1)]),
        replace(HELD, told=[PLACED, PLACED]),
    ),
    "one_effect_per_cause": (
        replace(HELD, told=[PLACED, RESERVED, RESERVED]),
        replace(HELD, told=[PLACED, RESERVED, AGAIN]),
    ),
    "events_have_their_effect": (HELD, replace(HELD, read={"1": Shown("NEW", 14, 7)})),
    "amounts_conserved": (OVER, replace(OVER, held={"a": Shown(amount=8)})),
    "amounts_are_held_by_things": (HELD, replace(HELD, held={"a": Shown(amount=6)})),
    "never_negative": (HELD, replace(HELD, held={"a": Shown(amount=-1)})),
    "never_more_than_there_is": (
        replace(HELD, opened={"a": 2}),
        replace(HELD, opened={"a": 3}, ops=[place(), place(8, "2")], read=TWO),
    ),
    "ended_things_hold_nothing": (OVER, replace(OVER, told=[PLACED, RESERVED, ENDED])),
    "things_hold_what_they_took": (HELD, replace(HELD, told=[PLACED])),
    "only_allowed_steps": (OVER, replace(OVER, told=[PLACED, RESERVED, RELEASED, AGAIN])),
    "final_states_reached": (HELD, replace(HELD, read={"1": Shown("NEW")})),
    "views_show_the_truth": (HELD, replace(HELD, viewed={"1": Shown("NEW", 14, 7)})),
    "readers_never_go_back": (
        replace(HELD, ops=[look("1", "NEW", 1), look("1", "HELD", 2)]),
        replace(HELD, ops=[look("1", "HELD", 1), look("1", "NEW", 2)]),
    ),
    "dead_letters_are_the_poison": (
        replace(HELD, poison={"dlq": [b"poison"]}, letters={"dlq": [LETTER]}),
        replace(HELD, poison={"dlq": [b"poison"]}, letters={"dlq": []}),
    ),
    "rest_is_reached": (HELD, replace(HELD, missing=["group g lags by 3"])),
    "no_process_falls": (HELD, replace(HELD, falls=["shop ended with status 1"])),
}


def test_each_promise_has_its_two_cases() -> None:
    assert list(CASES) == [promise.name for promise in PROMISES]


@pytest.mark.parametrize("name", CASES)
def test_it_is_kept(name: str) -> None:
    assert verdict(name, CASES[name][0]).outcome == "kept"


@pytest.mark.parametrize("name", CASES)
def test_it_is_broken(name: str) -> None:
    found = verdict(name, CASES[name][1])
    assert found.outcome == "broken", found
    assert str(found).startswith("BROKEN")


@pytest.mark.parametrize("name", CASES)
def test_of_nothing_nothing_is_said(name: str) -> None:
    assert verdict(name, NOTHING).outcome == "nothing happened"


def elsewhere(told_: Told, topic: str) -> Told:
    return replace(told_, record=replace(told_.record, topic=topic))


def asked(do: Do, about: str, outcome: Outcome, shows: Shown | None, began_s: float) -> Exchange:
    return Exchange("one", Command(do, about), Meant(outcome, shows=shows), began_s=began_s)


SAW_HELD = look("1", "HELD", 1)


@pytest.mark.parametrize(
    ("name", "evidence"),
    [
        ("acknowledged_has_its_event", replace(HELD, ops=[replace(cancel(), command=Command("advance", "1"))])),
        ("refused_has_no_effect", HELD),
        ("keys_count_once", replace(HELD, ops=[place(key="k")])),
        ("commands_take_effect_once", replace(HELD, ops=[place(key="k"), place(key="k")])),
        ("one_partition_per_key", replace(HELD, told=[PLACED])),
        ("one_partition_per_key", replace(HELD, told=[PLACED, PLACED])),
        ("order_per_key", replace(HELD, told=[PLACED])),
        ("one_effect_per_cause", replace(HELD, told=[PLACED])),
        ("ended_things_hold_nothing", replace(OVER, told=[PLACED, ENDED])),
        ("only_allowed_steps", replace(HELD, told=[PLACED])),
        ("readers_never_go_back", replace(HELD, ops=[SAW_HELD])),
        ("readers_never_go_back", replace(HELD, ops=[look("1", None, 1), look("1", "NEW", 2)])),
        ("dead_letters_are_the_poison", HELD),
    ],
    ids=[
        "a command of which nothing has to tell",
        "nothing was refused",
        "a key that was sent once",
        "what has one key is another promise",
        "one event",
        "one event and its repeat",
        "one version",
        "nothing moves",
        "it ended and has never held anything",
        "one state",
        "one look",
        "it was not there yet",
        "neither poison nor a letter",
    ],
)  # fmt: skip
def test_where_no_case_came_up_nothing_is_kept(name: str, evidence: Observations) -> None:
    assert verdict(name, evidence).outcome == "nothing happened"


@pytest.mark.parametrize("name", ["one_partition_per_key", "order_per_key", "only_allowed_steps"])
def test_between_topics_there_is_no_order_and_no_common_partition(name: str) -> None:
    later = told(replace(RESERVED.event, version=1), partition=2, topic="after")
    earlier = told(replace(RELEASED.event, version=9), partition=2, topic="before")
    apart = replace(HELD, told=[earlier, later, elsewhere(PLACED, "within")])

    assert verdict(name, apart).outcome == "nothing happened"


@pytest.mark.parametrize(
    ("ops", "outcome"),
    [
        ([place(outcome="info")], "kept"),
        ([place(outcome="info"), place(outcome="info")], "kept"),
        ([place(outcome="info"), place()], "kept"),
        ([place(), place()], "broken"),
        ([place(), place(outcome="fail")], "broken"),
    ],
    ids=[
        "nobody knows",
        "sent twice, and nobody knows of either",
        "of one nobody knows",
        "both answers name one thing",
        "the other one was refused",
    ],
)
def test_a_command_that_nobody_knows_the_outcome_of_may_have_had_its_effect(
    ops: Sequence[Exchange], outcome: str
) -> None:
    there = len(ops) if outcome == "kept" else 2
    read = {str(number + 1): Shown("HELD", 14, 7) for number in range(there)}

    assert (
        verdict("commands_take_effect_once", replace(HELD, ops=ops, read=read)).outcome == outcome
    )


@pytest.mark.parametrize(
    ("ops", "names"),
    [
        ([SAW_HELD, look("1", None, 2), look("1", "NEW", 3)], ["vanished", "went back"]),
        ([look("1", "NEW", 2), SAW_HELD], ["went back"]),
        ([look("1", "HELD", 2), look("1", "NEW", 1)], []),
        ([SAW_HELD, asked("view", "1", "info", None, 2)], []),
        ([SAW_HELD, asked("read", "1", "ok", Shown("NEW"), 2)], []),
        ([SAW_HELD, replace(look("1", "NEW", 2), client="two")], []),
        ([SAW_HELD, look("2", "NEW", 2)], []),
    ],
    ids=[
        "what vanished comes back as it was before",
        "by time, and not as answers came",
        "by time, and not as answers came: it went on",
        "no answer is no sight",
        "another side",
        "another reader",
        "another thing",
    ],
)
def test_a_reader_goes_back_only_behind_what_it_saw_itself_of_that_thing_on_that_side(
    ops: Sequence[Exchange], names: Sequence[str]
) -> None:
    found = verdict("readers_never_go_back", replace(HELD, ops=ops)).found

    assert [one.name for one in found] == names


@pytest.mark.parametrize("do", ["read account", "view account"])
def test_an_account_that_was_below_nothing_for_a_moment_is_seen_on_both_sides(do: Do) -> None:
    look = asked(do, "a", "ok", Shown(amount=-1), 1)

    assert verdict("never_negative", replace(HELD, ops=[look])).outcome == "broken"


def test_what_is_moved_on_an_account_that_there_is_not_makes_none_of_it() -> None:
    beyond = replace(RESERVED, event=replace(RESERVED.event, moves=MOVES | {"nowhere": -2}))

    assert verdict("amounts_conserved", replace(HELD, told=[PLACED, beyond])).outcome == "kept"


@pytest.mark.parametrize(
    ("letters", "seen"),
    [
        ({"dlq": [LETTER, replace(LETTER, offset=1, value=b"sound")]}, "dlq 0@1, b'sound', is no"),
        ({"dlq": [LETTER], "other": [LETTER]}, "is no poison"),
        ({"other": [LETTER], "dlq": []}, "b'poison' of dlq is not parked"),
    ],
    ids=["a sound one beside it", "also where it was not put in", "elsewhere alone"],
)
def test_each_dead_letter_is_looked_at_where_it_lies(
    letters: Mapping[str, Sequence[Record]], seen: str
) -> None:
    parked = replace(HELD, poison={"dlq": [b"poison"]}, letters=letters)

    assert seen in str(verdict("dead_letters_are_the_poison", parked))


def test_a_thing_may_take_from_an_account_twice_for_two_causes() -> None:
    halves = [
        told(replace(RESERVED.event, id=id, cause=id, moves={"a": -1}), offset=offset)
        for offset, id in enumerate(("e2", "e3"), start=1)
    ]

    assert verdict("things_hold_what_they_took", replace(HELD, told=halves)).outcome == "kept"
    assert verdict("one_effect_per_cause", replace(HELD, told=halves)).outcome == "kept"


def test_one_record_may_tell_of_several_things_and_of_several_facts_under_one_id() -> None:
    reserved = replace(PLACED, event=replace(RESERVED.event, id=PLACED.event.id))
    other = replace(PLACED, event=replace(PLACED.event, about="2"))

    assert len(replace(HELD, told=[PLACED, reserved, other, PLACED]).first_told) == 3


@pytest.mark.parametrize("of", [PLACED, RESERVED], ids=["moves nothing", "moves"])
def test_without_ids_the_same_bytes_are_another_event_in_another_topic(of: Told) -> None:
    here = replace(of, event=replace(of.event, id=""))

    assert replace(HELD, told=[here, elsewhere(here, "others"), here]).first_told == [
        here,
        elsewhere(here, "others"),
    ]


@pytest.mark.parametrize(
    ("name", "evidence"),
    [
        ("order_per_key", HELD),
        ("keys_count_once", replace(HELD, ops=[])),
    ],
    ids=["not judged", "nothing happened"],
)
def test_of_what_is_known_to_be_broken_and_was_not_tested_the_reason_is_not_what_is_known(
    name: str, evidence: Observations
) -> None:
    (promise,) = (one for one in PROMISES if one.name == name)
    blind = [Blind(Sight.VERSIONS, "its events have none")]

    (found,) = judge(
        evidence, [promise], sees=~Sight.VERSIONS, blind=blind, known={name: "two relays"}
    )

    assert not found.is_known
    assert not found.counts
    assert "two relays" not in str(found)


@pytest.mark.parametrize(
    ("name", "evidence", "seen"),
    [
        ("acknowledged_has_its_effect", replace(HELD, read={}), "1 is not there"),
        ("acknowledged_has_its_effect", replace(HELD, read={"1": Shown("HELD", 0, 7)}), "costs 0"),
        ("acknowledged_has_its_effect", replace(HELD, read={"1": Shown("HELD", 14, 8)}), "mark 8"),
        ("refused_has_no_effect", replace(HELD, ops=[place(outcome="fail")], told=[]), "1 is there"),
        (
            "nothing_unasked",
            replace(HELD, unreadable=[(LETTER, "no JSON")]),
            "cannot be read: no JSON",
        ),
        ("amounts_conserved", replace(HELD, held={}), "is not there"),
        ("amounts_are_held_by_things", replace(HELD, opened={}, held={}), "account a is not there"),
        ("never_more_than_there_is", replace(HELD, opened={"b": 9}), "of account a things hold 2 more"),
        ("readers_never_go_back", replace(HELD, ops=[look("1", "NEW", 1), look("1", None, 2)]), "nothing"),
        ("dead_letters_are_the_poison", replace(HELD, letters={"dlq": [LETTER]}), "is no poison"),
        ("things_hold_what_they_took", replace(HELD, told=[PLACED]), "nothing, not -2 of a"),
    ],
)  # fmt: skip
def test_it_says_what_was_seen(name: str, evidence: Observations, seen: str) -> None:
    assert seen in str(verdict(name, evidence))


def test_a_lost_answer_is_found_again_by_its_mark() -> None:
    evidence = replace(HELD, ops=[place(outcome="info")])

    assert verdict("nothing_unasked", evidence).outcome == "kept"
    assert verdict("amounts_are_held_by_things", evidence).outcome == "kept"
    assert verdict("refused_has_no_effect", evidence).outcome == "nothing happened"


def test_that_nobody_listened_is_no_refusal() -> None:
    """The harness knows that it has sent nothing: there is nothing that the system could keep or break."""
    unheard = replace(HELD, ops=[place(outcome="unheard")], told=[], read={})

    assert verdict("refused_has_no_effect", unheard).outcome == "nothing happened"


def test_a_state_that_is_told_again_is_no_step() -> None:
    again = replace(HELD, told=[PLACED, replace(PLACED, event=replace(PLACED.event, id="e9"))])

    assert verdict("only_allowed_steps", again).outcome == "nothing happened"


def test_an_effect_that_happened_twice_breaks_one_promise_and_not_those_that_rest_on_it() -> None:
    twice = replace(HELD, told=[PLACED, RESERVED, AGAIN], held={"a": Shown(amount=6)})

    assert verdict("one_effect_per_cause", twice).outcome == "broken"
    assert verdict("things_hold_what_they_took", twice).outcome == "kept"
    assert verdict("amounts_conserved", twice).outcome == "kept"


@pytest.mark.parametrize(("at_s", "outcome"), [(9.0, "broken"), (10.0, "kept")])
def test_a_fault_explains_no_repeat_that_came_before_the_first_of_them(
    at_s: float, outcome: str
) -> None:
    again = replace(PLACED, record=replace(PLACED.record, at_s=at_s))
    faults = [Fault("kill", 20, 21), Fault("kill", 10, 11)]

    found = verdict("published_once", replace(HELD, told=[PLACED, RESERVED, again], faults=faults))

    assert found.outcome == outcome


def test_what_cannot_be_seen_is_not_judged_and_the_reason_is_the_adapters() -> None:
    (promise,) = (one for one in PROMISES if one.name == "order_per_key")
    (found,) = judge(
        HELD, [promise], sees=~Sight.VERSIONS, blind=[Blind(Sight.VERSIONS, "its events have none")]
    )

    assert found.outcome == "not judged"
    assert "because its events have none" in str(found)
    assert not found.counts


@pytest.mark.parametrize(
    ("missing", "outcome"), [((), "not judged"), (["it still moves"], "broken")]
)
def test_without_lags_rest_can_be_seen_to_be_missed_and_never_to_be_reached(
    missing: Sequence[str], outcome: str
) -> None:
    found = verdict("rest_is_reached", replace(HELD, missing=missing), sees=~Sight.GROUPS)

    assert found.outcome == outcome


AT_REST = {
    "acknowledged_has_its_event",
    "acknowledged_has_its_effect",
    "commands_take_effect_once",
    "events_have_their_effect",
    "amounts_conserved",
    "amounts_are_held_by_things",
    "never_more_than_there_is",
    "ended_things_hold_nothing",
    "things_hold_what_they_took",
    "final_states_reached",
    "views_show_the_truth",
    "dead_letters_are_the_poison",
}


@pytest.mark.parametrize("name", CASES)
def test_of_a_system_that_never_comes_to_rest_only_what_moving_cannot_explain_is_broken(
    name: str,
) -> None:
    moving = replace(CASES[name][1], missing=["group g lags by 3"])

    found = verdict(name, moving)

    assert found.outcome == ("not judged" if name in AT_REST else "broken")
    assert ("never came to rest: group g lags by 3" in str(found)) == (name in AT_REST)


@pytest.mark.parametrize(
    ("mark_is_amount", "shown", "outcome"),
    [
        (True, 1017, "kept"),
        (True, 1018, "broken"),
        (False, 1017, "broken"),
        (False, 1017 * 1017, "kept"),
    ],
)
def test_a_thing_costs_its_mark_alone_only_where_the_adapter_says_so(
    mark_is_amount: bool, shown: int, outcome: str
) -> None:
    op = replace(place(), command=Command("place", mark=1017, moves={"a": -1017}))
    read = {"1": Shown("HELD", shown, 1017)}
    held = replace(HELD, ops=[op], read=read, mark_is_amount=mark_is_amount)

    assert verdict("acknowledged_has_its_effect", held).outcome == outcome


def test_a_move_that_is_told_again_at_another_time_moves_nothing_more_where_events_have_no_ids() -> (
    None
):
    """As by a handler that is delivered twice, sees that it has moved already, and tells it anew."""
    first = replace(RESERVED, event=replace(RESERVED.event, id=""))
    again = replace(first, record=replace(first.record, value=b"the same, a minute later"))
    other = replace(again, event=replace(again.event, cause="another"))

    assert verdict("amounts_conserved", replace(HELD, told=[first, again])).outcome == "kept"
    assert verdict("amounts_conserved", replace(HELD, told=[first, other])).outcome == "broken"


def test_what_is_half_way_at_rest_has_not_ended_whatever_it_holds() -> None:
    half_way = replace(HELD, read={"1": Shown("NEW", 14, 7)})

    assert verdict("ended_things_hold_nothing", half_way).outcome == "nothing happened"
    assert verdict("final_states_reached", half_way).outcome == "broken"


def test_what_has_ended_or_was_refused_takes_nothing_of_what_there_is() -> None:
    ended = replace(HELD, ops=[place(), place(8, "2")], read=TWO | {"2": Shown("ENDED", 16, 8)})

    assert verdict("never_more_than_there_is", replace(ended, opened={"a": 2})).outcome == "kept"


def test_what_is_known_to_be_broken_is_news_only_when_it_is_kept() -> None:
    broken = CASES["one_partition_per_key"][1]
    (promise,) = (one for one in PROMISES if one.name == "one_partition_per_key")
    known = {promise.name: "its keys are random"}

    (as_known,) = judge(broken, [promise], sees=ALL, known=known)
    (after_all,) = judge(HELD, [promise], sees=ALL, known=known)

    assert not as_known.counts
    assert after_all.counts
    assert "KEPT AFTER ALL" in str(after_all)


def test_the_story_of_a_thing_has_its_commands_its_events_and_the_faults_between() -> None:
    late = replace(RESERVED, record=replace(RESERVED.record, at_s=100.0))
    nobody = replace(cancel(), answer=Answer("refused", error="nobody listens"))
    evidence = replace(
        HELD,
        ops=[place(), nobody, look("1", "HELD", 0)],
        faults=[
            Fault("kill -9 shop", 0.5, 1.0),
            Fault("in between", 50.0, 51.0),
            Fault("at the end", 70.0, 99.0),
            Fault("long after", 200.0, 201.0),
        ],
        told=[PLACED, late],
    )

    story = "\n".join(evidence.story("1"))

    for step in (
        "one: place mark 7",
        "things 0@0: placed 1",
        "kill -9 shop",
        "at the end",
        "1 is HELD",
    ):
        assert step in story
    assert "in between" not in story
    assert "long after" not in story
    assert "cancel" not in story  # it has reached nobody
    assert "view" not in story


READ = Exchange("auditor", Command("read", "1"), Meant("fail"))


@pytest.mark.parametrize(
    ("more", "outcome"), [([], "broken"), ([ENDED], "kept")], ids=["lives", "has ended"]
)
def test_what_is_told_to_be_placed_is_there_unless_it_has_ended(
    more: Sequence[Told], outcome: str
) -> None:
    gone = replace(HELD, ops=[place(outcome="info"), READ], told=[PLACED, *more], read={})

    found = verdict("events_have_their_effect", gone)

    assert found.outcome == outcome
    assert all("1 is not there at rest" in each.seen for each in found.found)


def test_what_was_never_looked_for_is_not_missed() -> None:
    unread = replace(HELD, told=[PLACED], read={})

    assert verdict("events_have_their_effect", unread).outcome == "nothing happened"


@pytest.mark.parametrize("do", ["view", "view account"])
def test_a_query_side_that_was_asked_and_shows_nothing_at_all_is_broken(do: Do) -> None:
    asked = replace(
        HELD, viewed={}, held_in_views={}, ops=[Exchange("one", Command(do), Meant("fail"))]
    )

    assert verdict("views_show_the_truth", asked).outcome == "broken"
    assert verdict("views_show_the_truth", replace(asked, ops=())).outcome == "nothing happened"


def test_of_a_command_that_was_sent_again_the_answer_that_names_the_thing_counts() -> None:
    sent = [place(key="k"), place(key="k", outcome="info")]

    assert Observations(STATES, TELLS, ops=sent).placed == {"1": sent[0]}
