"""Dead letters: the message as it was, all that is known of its failure, and what became of it."""

from __future__ import annotations

from datetime import timedelta

from scenarios.delivery.bench import CONSUMER, EPOCH, Bench, bench, in_virtual_time
from system import logs
from system.delivery.dead_letters import REPLAY_FOR, DeadLetters, Letter
from system.delivery.failures import Failure
from system.ports.log import Message, Record
from system.values import timestamp

TOPIC = "order.created"
ORIGINAL = Message(TOPIC, b"\x00key", b"\xffvalue", (("traceparent", b"00-1"), ("x", b"\xfe")))


async def parked(it: Bench, message: Message = ORIGINAL, *, after_s: int = 31) -> Record:
    await it.parts.log("x").publish([message])
    record = (await it.records(message.topic))[-1]
    await it.letters.park(record, failure(after_s))
    return record


def failure(after_s: int = 31) -> Failure:
    try:
        raise LookupError("no such thing")
    except LookupError as error:
        first = Failure.after(None, error, EPOCH)
        return Failure.after(first, error, EPOCH + timedelta(seconds=after_s))


async def only(it: Bench) -> Letter:
    (letter,) = await it.letters.open([TOPIC])
    return letter


@in_virtual_time
async def test_a_letter_has_the_message_and_every_fact() -> None:
    async with bench() as it:
        record = await parked(it)
        letter = await only(it)
        assert letter.message == ORIGINAL
        assert (letter.topic, letter.partition, letter.offset) == (
            TOPIC,
            record.partition.number,
            record.offset,
        )
        assert (letter.consumer, letter.attempts) == (CONSUMER, 2)
        assert (letter.error_type, letter.error) == ("LookupError", "no such thing")
        assert letter.first_failed_at == timestamp(EPOCH)
        assert letter.last_failed_at == timestamp(EPOCH + timedelta(seconds=31))
        assert "raise LookupError" in letter.trace


@in_virtual_time
async def test_one_that_is_parked_twice_is_one() -> None:
    async with bench() as it:
        record = await parked(it)
        await it.letters.park(record, failure())
        assert (await only(it)).offset == record.offset


@in_virtual_time
async def test_two_consumers_have_a_letter_each_of_one_message() -> None:
    async with bench() as it:
        record = await parked(it)
        other = DeadLetters(
            "query-consumer",
            it.parts.log("x"),
            it.parts.world,
            it.metrics,
            logs.logger("query-consumer"),
        )
        await other.park(record, failure())
        assert len(await it.letters.open([TOPIC])) == 2
        assert [
            letter.consumer for letter in await it.letters.open([TOPIC], consumer=CONSUMER)
        ] == [CONSUMER]
        await it.letters.replay((await it.letters.open([TOPIC], consumer=CONSUMER))[0])
        assert [letter.consumer for letter in await it.letters.open([TOPIC])] == ["query-consumer"]


@in_virtual_time
async def test_the_oldest_comes_first_whatever_its_topic() -> None:
    async with bench() as it:
        await parked(it, Message("user.created", b"1", b"", ()), after_s=2)
        await parked(it, Message("order.paid", b"1", b"", ()), after_s=3)
        await parked(it, Message("product.deleted", b"1", b"", ()), after_s=1)
        assert [letter.topic for letter in await it.letters.open()] == [
            "product.deleted",
            "user.created",
            "order.paid",
        ]


@in_virtual_time
async def test_a_replay_sends_the_original_to_its_topic_naming_the_consumer() -> None:
    async with bench() as it:
        await parked(it)
        await it.letters.replay(await only(it))
        (_, again) = [record.message for record in await it.records(TOPIC)]
        assert (again.key, again.value) == (ORIGINAL.key, ORIGINAL.value)
        assert again.headers == (*ORIGINAL.headers, (REPLAY_FOR, CONSUMER.encode()))
        assert await it.letters.open([TOPIC]) == []


@in_virtual_time
async def test_a_replay_that_fails_is_a_letter_of_its_own_and_can_be_replayed() -> None:
    async with bench() as it:
        await parked(it)
        await it.letters.replay(await only(it))
        again = (await it.records(TOPIC))[-1]
        await it.letters.park(again, failure())
        letter = await only(it)
        assert letter.offset == again.offset
        await it.letters.replay(letter)
        third = (await it.records(TOPIC))[-1].message
        assert third.headers == (*ORIGINAL.headers, (REPLAY_FOR, CONSUMER.encode()))


@in_virtual_time
async def test_one_that_is_purged_is_sent_nowhere_and_stays_gone() -> None:
    async with bench() as it:
        record = await parked(it)
        await it.letters.purge(await only(it))
        await it.letters.park(record, failure())  # a redelivery, by a consumer that had died
        assert await it.letters.open([TOPIC]) == []
        assert len(await it.records(TOPIC)) == 1
        assert await it.letters.was_parked(record)


@in_virtual_time
async def test_records_that_are_nobodys_letters_are_passed_over() -> None:
    async with bench() as it:
        await it.parts.log("x").publish([Message(f"{TOPIC}.dlq", b"k", b"by hand", ())])
        assert await it.letters.open([TOPIC]) == []
