"""Dead letters: the message as it was, all that is known of its failure, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from chaos.kit.points import FaultyLog, Hop, Point
from scenarios.delivery.bench import CONSUMER, EPOCH, Bench, bench, in_virtual_time, letters_of
from scenarios.harness.fault_rules import Switchboard
from system.events import BY_TYPE
from system.kit import logs
from system.kit.delivery.dead_letters import DeadLetter, Gone, NotTaken, Parked
from system.kit.delivery.failures import Failure
from system.kit.delivery.middleware import Batch
from system.kit.delivery.middleware.decoded import decoded
from system.kit.errors import Poison, Unavailable
from system.kit.events import REPLAY_FOR
from system.kit.ports.log import Log, Message, Partition, Record, Unreadable
from system.kit.values import timestamp

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


async def only(it: Bench) -> DeadLetter:
    (letter,) = await it.letters.open([TOPIC])
    return await it.letters.kept(letter)


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
        other = letters_of("query-consumer", it.parts, it.parts.log("x"), it.metrics)
        await other.park(record, failure())
        assert len(await it.letters.open([TOPIC])) == 2
        assert [
            letter.consumer for letter in await it.letters.open([TOPIC], consumer=CONSUMER)
        ] == [CONSUMER]
        await it.letters.replay((await it.letters.open([TOPIC], consumer=CONSUMER))[0])
        assert [letter.consumer for letter in await it.letters.open([TOPIC])] == ["query-consumer"]


@in_virtual_time
async def test_what_may_be_large_of_a_letter_is_not_read_with_all_of_them() -> None:
    async with bench() as it:
        await parked(it)
        (listed,) = await it.letters.open()
        assert (listed.message.key, listed.message.value) == (ORIGINAL.key, b"")
        assert (listed.message.headers, listed.trace) == ((), "")
        whole = await it.letters.kept(listed)
        assert (whole.message, bool(whole.trace)) == (ORIGINAL, True)


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
        assert await it.letters.parked([TOPIC]).has(record)


@in_virtual_time
async def test_what_was_parked_is_read_once_however_many_ask() -> None:
    async with bench() as it:
        board = Switchboard()
        records = [await parked(it) for _ in range(20)]
        log = FaultyLog(it.parts.log("asker"), board, "asker")
        asked = Parked(CONSUMER, log, [TOPIC])
        assert all([await asked.has(record) for record in records])
        assert board.seen[Point("asker", "log.read", Hop.REQUEST)] == 1


@in_virtual_time
async def test_what_was_parked_meanwhile_is_found_by_asking_again() -> None:
    async with bench() as it:
        before = await parked(it)
        asked = it.letters.parked([TOPIC])
        assert await asked.has(before)
        meanwhile = await parked(it)
        assert not await asked.has(meanwhile)
        assert await asked.has_by_now(meanwhile)
        assert await asked.has(before)


@in_virtual_time
async def test_one_parked_meanwhile_is_known_also_where_its_partition_has_the_fewest() -> None:
    """1. Partition a has five letters, b none. 2. One is parked in b: behind its end, before a's."""
    async with bench() as it:
        for _ in range(5):
            await parked(it)
        asked = it.letters.parked([TOPIC])
        assert not await asked.has(Record(ORIGINAL, Partition(TOPIC, 0), 99, 0))

        for number in range(20):
            meanwhile = await parked(it, replace(ORIGINAL, key=b"%d" % number))
            assert await asked.has_by_now(meanwhile)


@in_virtual_time
async def test_records_that_are_nobodys_letters_are_passed_over() -> None:
    async with bench() as it:
        await it.parts.log("x").publish([Message(f"{TOPIC}.dlq", b"k", b"by hand", ())])
        assert await it.letters.open([TOPIC]) == []


FACTS = {
    "resolution": "",
    "id": f"{TOPIC}:0:7:{CONSUMER}",
    "topic": TOPIC,
    "partition": "0",
    "offset": "7",
    "consumer": CONSUMER,
    "error-type": "Poison",
    "error": "none",
    "attempts": "1",
    "first-failed-at": "x",
    "last-failed-at": "y",
    "trace": "",
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"partition": "none"},
        {"offset": "9" * 5_000},
        {"offset": "-7"},
        {"attempts": "\N{FULLWIDTH DIGIT ONE}"},
        {"topic": "nowhere", "id": f"nowhere:0:7:{CONSUMER}"},
        {"id": "order.created:0:8:" + CONSUMER},
        {"digest": "sha256 x"},
        {"size": "1 MB", "digest": "sha256 x"},
    ],
    ids=str,
)
@in_virtual_time
async def test_facts_that_cannot_be_are_nobodys_letter(wrong: dict[str, str]) -> None:
    async with bench() as it:
        headers = tuple((f"dead-letter-{n}", v.encode()) for n, v in (FACTS | wrong).items())
        await it.parts.log("x").publish([Message(f"{TOPIC}.dlq", b"k", b"v", headers)])
        assert await it.letters.open([TOPIC]) == []


# --- what does not fit, and what cannot be unpacked ------------------------------------------------

LARGE = Message(TOPIC, b"k" * 2_000, b"v" * 3_000, (("h" * 500, b"\xff" * 500),))
BEYOND = Unreadable("cannot be unpacked: TooMuch", 97_298, "5f" * 32)


@dataclass
class Narrow:
    """A log whose topics take little: what came from elsewhere was compressed better than we do."""

    log: Log
    bytes_max: int = 1_500
    instead: Record | None = None
    """What stands where a message is looked for."""
    is_gone: bool = False

    def __getattr__(self, name: str) -> object:
        return getattr(self.log, name)

    async def publish(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        (message,) = messages
        if len(message.key) + len(message.value) > self.bytes_max:
            return [Poison("too large")]
        return await self.log.publish(messages)

    async def record(self, partition: Partition, offset: int) -> Record | None:
        if partition.topic == TOPIC and (self.is_gone or self.instead is not None):
            return self.instead
        return await self.log.record(partition, offset)


def narrow(it: Bench) -> Narrow:
    """Let the letters have a log that takes little."""
    log = Narrow(it.parts.log(CONSUMER))
    it.letters = letters_of(CONSUMER, it.parts, log, it.metrics)  # type: ignore[arg-type]
    return log


@in_virtual_time
async def test_one_that_is_too_large_to_keep_is_a_reference_to_its_place() -> None:
    async with bench() as it:
        narrow(it)
        record = await parked(it, LARGE)
        letter = await only(it)
        assert letter.message == Message(TOPIC, b"", b"", ())
        assert letter.reference is not None
        assert letter.reference.size == 2_000 + 3_000 + 500 + 500
        assert (letter.partition, letter.offset) == (record.partition.number, record.offset)
        assert letter.error == "no such thing"
        assert await it.letters.message_of(letter) == LARGE


@in_virtual_time
async def test_a_reference_is_replayed_from_its_place() -> None:
    async with bench() as it:
        log = narrow(it)
        await parked(it, LARGE)
        log.bytes_max = 10_000
        await it.letters.replay(await only(it))
        (_, again) = [record.message for record in await it.records(TOPIC)]
        assert again == replace(LARGE, headers=(*LARGE.headers, (REPLAY_FOR, CONSUMER.encode())))
        assert await it.letters.open([TOPIC]) == []


@in_virtual_time
async def test_a_replay_that_its_topic_never_takes_says_so_and_the_letter_stays() -> None:
    async with bench() as it:
        narrow(it)
        await parked(it, LARGE)
        with pytest.raises(NotTaken, match="does not take the message: too large"):
            await it.letters.replay(await only(it))
        await only(it)


@in_virtual_time
async def test_one_whose_topic_takes_not_even_a_reference_waits_until_it_does() -> None:
    async with bench() as it:
        log = narrow(it)
        log.bytes_max = -1
        with pytest.raises(Unavailable, match=f"{TOPIC}.dlq does not take the message: too large"):
            await parked(it)
        log.bytes_max = 1_500
        await it.letters.park((await it.records(TOPIC))[-1], failure())
        assert (await only(it)).message == ORIGINAL


@in_virtual_time
async def test_a_reference_whose_message_is_gone_says_so_and_can_be_purged() -> None:
    async with bench() as it:
        log = narrow(it)
        await parked(it, LARGE)
        log.is_gone = True
        with pytest.raises(Gone, match="gone from its place"):
            await it.letters.replay(await only(it))
        await it.letters.purge(await only(it))
        assert await it.letters.open([TOPIC]) == []


@in_virtual_time
async def test_a_reference_is_never_taken_for_another_message() -> None:
    """As when a topic was deleted and made again: its offsets begin anew."""
    async with bench() as it:
        log = narrow(it)
        record = await parked(it, LARGE)
        log.instead = replace(record, message=replace(LARGE, value=b"w" * 3_000))
        with pytest.raises(Gone, match="another message stands in its place"):
            await it.letters.message_of(await only(it))


@in_virtual_time
async def test_what_cannot_be_unpacked_is_parked_as_a_reference_and_its_neighbours_go_on() -> None:
    async with bench() as it:
        log = narrow(it)
        await it.parts.log("x").publish([ORIGINAL])
        (stored,) = await it.records(TOPIC)
        bomb = replace(stored, message=Message(TOPIC, b"", b"", ()), unreadable=BEYOND)
        handled: list[Record] = []

        async def step(batch: Batch) -> None:
            handled.extend(batch.records)

        chain = decoded(
            CONSUMER,
            it.letters.park,
            lifespan=it.lifespan,
            world=it.parts.world,
            logger=logs.logger(CONSUMER),
            events=BY_TYPE,
        )
        await chain(step)(Batch((bomb,)))

        letter = await only(it)
        assert handled == []
        assert (letter.error_type, letter.error) == ("Poison", BEYOND.reason)
        assert letter.reference is not None
        assert letter.reference.size == BEYOND.size
        assert BEYOND.sha256 in letter.reference.digest
        log.instead = bomb
        with pytest.raises(Gone, match="cannot be unpacked: TooMuch"):
            await it.letters.replay(letter)
        log.instead = stored  # a later version of the client can
        await it.letters.replay(letter)
        assert (await it.records(TOPIC))[-1].message.value == ORIGINAL.value


@in_virtual_time
async def test_no_message_passes_itself_off_as_a_reference() -> None:
    spoof = (("dead-letter-size", b"1"), ("dead-letter-digest", b"sha256 x"))
    for value in (b"", b"value"):
        async with bench() as it:
            await parked(it, Message(TOPIC, b"", value, spoof))
            letter = await only(it)
            assert letter.reference is None
            assert letter.message == Message(TOPIC, b"", value, spoof)
