"""What lies in the topics of a stack is judged when the stack ends, whoever sent it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from contracts.topics.witness import Witness
from scenarios.harness import stack as harness
from scenarios.harness.settled import eventually
from scenarios.harness.stack import StackOptions, embedded
from system.events import BY_TYPE, TOPICS
from system.kit.delivery import dead_letters, outbox
from system.kit.events import REPLAY_FOR, Event
from system.kit.ports.log import Message
from system.table import SHOP

GARBAGE = Message("order.created", b"1", b"\xff no event", (("origin", b"elsewhere"),))


def present(topic: str) -> str:
    """The kind of its messages today, by the name that the judge gives it."""
    return f"{topic}.v{BY_TYPE[topic].schema_version}"


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch) -> Witness:
    """One for stacks of this test alone, in the place of the one that judges all others."""
    made = Witness()
    monkeypatch.setattr(harness, "witnesses", [made.look])
    return made


@pytest.fixture
def orders() -> Callable[..., Any]:
    """Runs a system in which an order is placed, and ends it."""

    async def run(*put_in: Message) -> None:
        async with embedded(StackOptions()) as stack:
            await stack.deliver(*put_in)
            lamp = await stack.given.product()
            await stack.given.order({lamp.id: 1})
            await stack.settled()

    return run


async def test_each_message_is_counted(witness: Witness, orders: Callable[..., Any]) -> None:
    await orders()

    assert witness.judge.seen == {
        present("user.created"): 1,
        present("product.created"): 1,
        present("order.created"): 1,
        present("stock.reserved"): 1,
    }
    assert witness.summary().startswith(
        "4 events of 4 types and 0 messages of dead letters judged in 1 stacks"
    )
    assert set(witness.never_seen()) == set(TOPICS) - {
        "user.created",
        "product.created",
        "order.created",
        "stock.reserved",
    }


@pytest.mark.usefixtures("witness")
async def test_a_header_that_is_gone_fails_the_scenario(
    orders: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = outbox.metadata_of

    def forgets(event: Event, because: Any) -> Any:
        return {name: text for name, text in right(event, because).items() if name != "event-type"}

    monkeypatch.setattr(outbox, "metadata_of", forgets)

    with pytest.raises(AssertionError, match=r"order.created/\d@0: headers: .*'event-type'"):
        await orders()


@pytest.mark.usefixtures("witness")
async def test_a_field_that_no_file_names_fails_the_scenario(
    orders: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = outbox.row

    def adds(event: Event, *more: Any) -> Any:
        row: dict[str, Any] = right(event, *more)
        return {**row, "payload": row["payload"].replace(b'"version"', b'"color":1,"version"', 1)}

    monkeypatch.setattr(outbox, "row", adds)

    with pytest.raises(AssertionError, match=r"payload: .*'color' was unexpected"):
        await orders()


async def test_what_a_scenario_made_up_is_passed_over_and_its_dead_letters_are_judged(
    witness: Witness, orders: Callable[..., Any]
) -> None:
    await orders(GARBAGE)

    assert witness.put_in == 1
    assert witness.judge.seen["order.created.dead-letter"] == 2
    assert witness.judge.seen[present("order.created")] == 1


@pytest.mark.usefixtures("witness")
async def test_a_dead_letter_with_wrong_facts_fails_the_scenario(
    orders: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "timestamp", str)

    with pytest.raises(AssertionError, match=r"order.created.dlq/\d@0: headers: .*failed-at"):
        await orders(GARBAGE)


async def test_made_up_means_these_very_bytes_replayed_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(harness, "put_in", {GARBAGE})
    replayed = (*GARBAGE.headers, (REPLAY_FOR, b"product-consumer"))

    assert harness.was_put_in(GARBAGE)
    assert harness.was_put_in(Message(GARBAGE.topic, GARBAGE.key, GARBAGE.value, replayed))
    assert not harness.was_put_in(Message(GARBAGE.topic, b"2", GARBAGE.value, replayed))


async def test_what_is_delivered_again_or_early_is_judged_as_it_is_ours(
    witness: Witness,
) -> None:
    async with embedded(StackOptions()) as stack:
        ada = await stack.given.user()
        await stack.settled()
        await stack.deliver_again("user.created", ada.id, times=2)
        await stack.settled()

    assert witness.judge.seen == {present("user.created"): 3}


async def test_an_event_of_elsewhere_without_headers_leads_to_events_with_all_of_them(
    witness: Witness,
) -> None:
    async with embedded(StackOptions()) as stack:
        lamp = await stack.given.product()
        held = stack.faults.hold("log.publish", process="order-consumer-relay", times=None)
        order = await stack.given.order({lamp.id: 1})
        (sent,) = await stack.unsent("order.created", order.id)
        await stack.deliver(Message(sent.topic, sent.key, sent.value, ()))
        await eventually(partial(stack.records, "stock.reserved", order.id))
        held.release()

    assert witness.judge.seen[present("stock.reserved")] == 1


def test_what_is_read_is_every_topic_that_there_is() -> None:
    assert set(Witness().judge.kinds) == set(SHOP.all_topics)
    assert set(BY_TYPE) < set(SHOP.all_topics)


async def test_what_several_processes_saw_is_counted_together(
    witness: Witness, orders: Callable[..., Any]
) -> None:
    await orders(GARBAGE)
    gathering = Witness()

    for _ in range(2):
        gathering.gather(json.loads(json.dumps(witness.tally)))

    assert gathering.judge.seen[present("order.created")] == 2
    assert (gathering.stacks, gathering.put_in) == (2, 2)
    assert gathering.never_seen() == witness.never_seen()
