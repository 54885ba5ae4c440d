"""The consumer's side: each message as pact hands it over, to the real consumer, for its effect."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import pytest

from chaos.kit.virtual_time import run as in_virtual_time
from contracts.kit import Incomplete
from contracts.kit.pacts.messages import Received, completed, pact_of, received
from contracts.kit.pacts.reads import may_be_null, values_at
from contracts.messages import pact_files
from contracts.messages import provider_states as states
from contracts.messages.consumers import CORRELATION_ID, message_of, run
from contracts.messages.pact_files import Part, expected
from contracts.messages.stories import HELD, ONE_FORM_ONLY, STORIES, Written
from system.events import BY_TYPE
from system.kit.ports.log import Message
from system.kit.values import dumps, loads


def test_every_event_that_a_consumer_reads_has_a_story_and_its_effect() -> None:
    assert pact_files.missing() == []


def test_an_event_without_a_story_or_an_effect_is_told_with_what_to_add(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_effect = replace(STORIES[0], effects={})
    monkeypatch.setattr(pact_files, "STORIES", [without_effect, *STORIES[2:]])
    assert pact_files.missing() == [
        (
            "query-consumer reads 'user.created: a user registers', and no effect stands beside it: "
            "add effects['query-consumer'] to that story in contracts/messages/stories.py"
        ),
        (
            "query-consumer reads user.updated, and no story has it: "
            "add one, with effects['query-consumer'], to contracts/messages/stories.py, "
            "after a state of provider_states.py that leads to the event"
        ),
    ]


def test_a_consumer_that_falls_over_is_told_with_its_story_and_the_place() -> None:
    (part,) = [
        part
        for part in pact_files.parts()
        if part.consumer == "product-consumer"
        and part.story.after is states.an_order_is_canceled_without_a_reason
    ]
    assert isinstance(part.effect, Written)
    rows = {**part.effect.before, "reservations": [{**HELD, "lines": b"["}]}
    with pytest.raises(Incomplete) as told:
        expected(replace(part, effect=replace(part.effect, before=rows)))
    assert re.match(
        "product-consumer, order.canceled: an order is canceled without a reason: JSONDecodeError"
        r" in system/products/store\.py:\d+: ",
        str(told.value),
    )


@pytest.mark.parametrize(("consumer", "type"), pact_files.uses())
def test_a_field_that_may_be_null_is_read_with_a_value_and_without(
    consumer: str, type: str
) -> None:
    told = [
        part
        for part in pact_files.parts()
        if (part.consumer, part.story.message.type) == (consumer, type)
    ]
    for path in {path for part in told for path in expected(part).reads}:
        if may_be_null(BY_TYPE[type], path):
            messages = [part.story.message for part in told]
            values = [value for message in messages for value in values_at(message, path)]
            has_both_forms = None in values and set(values) != {None}
            name = ".".join(path)
            assert has_both_forms != ((type, name) in ONE_FORM_ONLY), (
                f"{consumer} reads {name} of {type}, which may be null: the stories in "
                f"contracts/messages/stories.py have to show it with a value and without one, "
                f"or else ONE_FORM_ONLY there has to say why not"
            )


@pytest.mark.parametrize("part", pact_files.parts(), ids=str)
def test_it_has_the_effect_that_stands_beside_the_message(part: Part) -> None:
    message = expected(part)
    (handed_over,) = received(pact_of(part.consumer, part.provider, [message]))
    outcome = in_virtual_time(run(part.consumer, _whole(part, handed_over), part.effect))
    for what in fields(part.effect):
        assert getattr(outcome.effect, what.name) == getattr(part.effect, what.name), what.name
    assert outcome.reads <= message.reads
    for headers in outcome.emitted_headers:
        assert headers["correlation-id"] == CORRELATION_ID
        assert headers["causation-id"] == str(part.story.message.event_id)


def _whole(part: Part, handed_over: Received) -> Message:
    """The message on its way from the broker: what the pact has, and the rest for the decoding."""
    whole = message_of(part.story.message, handed_over.headers)
    body = completed(loads(whole.value), loads(handed_over.contents))
    key = loads(handed_over.contents)
    for name in handed_over.key_field.split("."):
        key = key[name]
    return Message(handed_over.topic, str(key).encode(), dumps(body), whole.headers)
