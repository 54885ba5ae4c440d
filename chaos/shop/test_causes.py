"""A thread leads from a request over the database into topics, and the story of a thing names all of it."""

from __future__ import annotations

from dataclasses import replace

from chaos.kit.causes import DATABASE, Causes, Thing
from chaos.kit.history import Op, Outcome
from chaos.kit.page import Fault
from chaos.kit.promises import Anomaly
from chaos.kit.verdicts import counted, sentence
from chaos.shop.checkers import ANOMALIES, judge
from chaos.shop.checkers.by_hand import BEGAN, Story
from chaos.shop.evidence import placed_in
from system.kit.http.headers import CORRELATION_ID
from system.kit.values import dumps

LONG_S = 10_000.0


def causes(story: Story) -> Causes:
    """All that is told, one second after the beginning."""
    at_ms = int(BEGAN.timestamp() * 1000) + 1_000
    for topic, records in story.log.items():
        story.log[topic] = [replace(record, timestamp_ms=at_ms) for record in records]
    told = next(iter(placed_in(story.evidence())))
    thread = next(
        one.envelope.cause.correlation_id
        for one in story.evidence().told
        if one.event.type == "order.created" and one.event.order_id == told
    )
    story.history.append(
        Op(
            "client",
            "POST",
            "/orders",
            Outcome.OK,
            answer=dumps({"id": told}),
            headers={CORRELATION_ID: str(thread)},
            role="order-api",
        )
    )
    return Causes(story.evidence(), BEGAN)


def test_each_event_is_reached_by_a_line_from_what_it_follows() -> None:
    lines = list(causes(Story()).lines(0, LONG_S))
    topics = {line.effect.lane for line in lines if line.cause.lane == DATABASE}
    assert "order.created" in topics
    assert "stock.reserved" in topics
    assert any((line.cause.lane, line.effect.lane) == ("order.created", DATABASE) for line in lines)
    assert any((line.cause.lane, line.effect.lane) == ("client", "order-api") for line in lines)


def test_the_lines_of_what_broke_are_suspect() -> None:
    seen = causes(Story())
    (thing,) = seen.suspects([Anomaly("lost event", "outbox 12, order.created 1")])
    assert thing == Thing("order", 1)
    suspect = [line for line in seen.lines(0, LONG_S, [thing]) if line.is_suspect]
    assert suspect
    assert len(suspect) < len(list(seen.lines(0, LONG_S)))


def test_a_story_has_requests_commits_events_and_the_faults_meanwhile() -> None:
    seen = causes(Story())
    bare = seen.story(Thing("order", 1))
    fault = Fault("kill -9 orders", "", bare[0].at_s)
    story = seen.story(Thing("order", 1), [fault])
    assert {"client", "log", DATABASE, "fault"} <= {said.who for said in story}
    assert [said.at_s for said in story] == sorted(said.at_s for said in story)


def test_each_event_of_a_moment_stands_in_the_story_with_what_it_says() -> None:
    seen = causes(Story())  # all that is told, is told in one millisecond
    story = seen.story(Thing("product", 1))
    told = [said.what for said in story if said.who == "log"]
    decided = [said.what for said in story if said.who == DATABASE]
    assert len(set(told)) == len(told) > 1
    assert len(set(decided)) == len(decided) == len(told)
    assert any(what.startswith("stock.reserved-") and "order_id 1" in what for what in told)


def test_a_suspect_of_which_nothing_is_told_has_no_story() -> None:
    stories = causes(Story()).stories([Thing("stock", 1), Thing("order", 1)], [])
    assert list(stories) == ["order 1"]


def test_what_nobody_knows_is_no_suspect() -> None:
    assert causes(Story()).suspects([Anomaly("no rest", "group 7 has 3 records to read")]) == []


def test_a_promise_without_a_case_is_not_kept() -> None:
    story = Story()
    judged = {one.promise: one for one in judge(story.evidence())}
    assert judged["blocked_partitions_hold_up_no_other"].outcome == "nothing happened"
    assert judged["no_lost_event"].outcome == "kept"
    assert judged["dead_letters_are_the_poison"].outcome == "kept"  # one message is poison
    story.missing.append("views are being built")
    judged = {one.promise: one for one in judge(story.evidence())}
    assert judged["views_show_the_truth"].outcome == "not judged"


def test_the_sentence_names_the_first_that_broke_and_the_fault() -> None:
    found = {"no_lost_event": "lost event", "never_negative": "below zero"}
    judged = [
        replace(one, outcome="broken", found=[Anomaly(found[one.promise], "order.created 1")])
        if one.promise in found
        else one
        for one in judge(Story().evidence())
    ]
    faults = [Fault("kill -9 orders", "", 1.0), Fault("never", "")]
    said = sentence(judged, faults, ANOMALIES)
    assert said.startswith("A row of the outbox is marked as sent")
    assert said.endswith("order.created 1, after kill -9 orders; 1 more promise broke.")


def test_the_sentence_of_a_good_run_counts_what_was_kept() -> None:
    judged = judge(Story().evidence())
    assert sentence(judged, [], ANOMALIES) == f"No promise broke: {counted(judged)}."
    assert "not put to the test" in counted(judged)
