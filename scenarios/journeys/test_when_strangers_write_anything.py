"""Other systems write whatever they like to every topic: what can be read counts, the rest is parked."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID

from scenarios.harness import stack as harness
from scenarios.harness.settled import eventually
from scenarios.harness.stack import Stack
from system.events import TOPICS, User, UserCreated
from system.kit.events import dlq
from system.kit.ports.log import Headers, Message, Partition, Record, header_bytes, header_name
from system.kit.values import dumps
from system.roles import QUERY_CONSUMER, ROLES
from system.table import SHOP

SEED = 1
COUNT = 100
"""Of records in all, over all topics; each kind of one comes several times."""
FIRST_ID = 1_000_000
"""Of users that nobody here has registered: they come from elsewhere."""
MARK = "stranger"
"""A header that names each record."""
READERS: Mapping[str, Collection[str]] = {
    QUERY_CONSUMER: TOPICS,
    **{spec.name: topics for spec in ROLES if (topics := SHOP.handlers_of(spec.name).keys())},
}
"""Who parks what: the topics that each consumer reads."""


@dataclass
class Written:
    """What strangers wrote, by the marks of the records."""

    poison: set[str] = field(default_factory=set)
    """What nobody can handle."""
    users: dict[str, int] = field(default_factory=dict)
    """Good events: the users that they tell of."""
    nothing: set[str] = field(default_factory=set)
    """What is for nobody here, or never was."""
    unreadable: list[Partition] = field(default_factory=list)
    """Where batches lie that nobody can unpack."""


def _registered(id: int) -> bytes:
    """A good event of elsewhere."""
    at = "2026-01-31T08:00:00Z"
    user = User.model_validate(
        {"id": id, "name": "Ada", "email": f"{id}@example.com", "created_at": at, "updated_at": at}
    )
    event = UserCreated.model_validate(
        {"event_id": UUID(int=id), "occurred_at": at, "user": user, "version": 1}
    )
    return dumps(event.model_dump())


def _values(random: Random) -> Iterator[bytes]:
    """Bodies that are no event, again and again."""
    good = _registered(7)
    while True:
        yield b""  # a tombstone
        yield b"null"
        yield random.randbytes(random.randrange(1, 2_000))
        yield good[: random.randrange(1, len(good))]
        yield good.replace(b'"version":1', b'"version":1e400')
        yield good.decode().encode("utf-16")
        yield b"[" * 100_000
        yield b'{"event_id":' * 20_000
        yield b'{"x":"' + b"a" * 3_000_000 + b'"}'
        yield b"\x00" * 1_500_000
        yield json.dumps({str(n): n for n in range(20_000)}).encode()
        yield b'{"event_id": ' + b"9" * 100_000 + b"}"


def _keys(random: Random) -> bytes:
    return random.choice((b"", b"1", b"\xff\xfe", b"0" * 5_000, random.randbytes(8), b"-1", b"1e3"))


def _headers(random: Random) -> Headers:
    """Headers that say nothing, in every way."""
    hostile = random.choice((b"a" * 40_000 + b"@", b"\xff" * 10_000, b"", b"\x00", b"00-0-0-01"))
    return random.choice(
        (
            (),
            (("traceparent", hostile), ("correlation-id", hostile), ("causation-id", hostile)),
            ((header_name(b"\xff\xfe"), b"x"), (header_name(random.randbytes(9)), b"")),
            tuple((f"h{number}", b"v") for number in range(10_000)),
            (("large", bytes(900_000)),),
            (("dead-letter-resolution", b"purged"), ("dead-letter-digest", b"sha256 x")),
            (("same", b"1"), ("same", b"2"), ("", b"")),
        )
    )


def _of_any_kind(random: Random, written: Written) -> Iterator[Message]:
    """Messages, each noted with what must become of it."""
    values = _values(random)
    for number in range(COUNT):
        mark = ((MARK, b"%d" % number),)
        match number % 5:
            case 0:
                id = FIRST_ID + number
                written.users[str(number)] = id
                yield Message(
                    "user.created", b"%d" % id, _registered(id), (*_headers(random), *mark)
                )
            case 1:
                written.nothing.add(str(number))
                aside = (("replay-for", random.choice((b"nobody", b"\xff", b""))), *mark)
                yield Message(random.choice(TOPICS), b"1", next(values), aside)
            case 2:
                written.nothing.add(str(number))
                topic = dlq(random.choice(TOPICS))
                yield Message(topic, b"1", next(values), (*_headers(random), *mark))
            case _:
                written.poison.add(str(number))
                topic = TOPICS[number % len(TOPICS)]
                yield Message(topic, _keys(random), next(values), (*_headers(random), *mark))


async def _records(stack: Stack) -> dict[str, Record]:
    """What strangers wrote and the log has, by its mark; it is never judged as ours."""
    found = {}
    for topic in (*TOPICS, *map(dlq, TOPICS)):
        async for record in stack.log.read(topic):
            mark = record.message.header(MARK)
            is_letter = record.message.header("dead-letter-trace") is not None
            if record.unreadable or (mark is not None and not is_letter):
                harness.put_in.add(record.message)
            if mark is not None and not is_letter:
                found[mark.decode()] = record
    return found


async def _letters(stack: Stack, consumer: str) -> dict[tuple[str, int, int], dict[str, Any]]:
    return {
        (letter["topic"], letter["partition"], letter["offset"]): letter
        for letter in await stack.letters(consumer)
    }


async def _judge(stack: Stack, written: Written) -> None:
    """Every good event has had its effect, every other one is a dead letter, and nothing else is."""
    records = await _records(stack)
    places = {
        (record.partition.topic, record.partition.number, record.offset): record
        for mark, record in records.items()
        if mark in written.poison
    }
    assert records.keys() >= written.poison | written.users.keys()
    for consumer, topics in READERS.items():
        wanted = {place for place in places if place[0] in topics}
        beyond = [place for place in written.unreadable if place.topic in topics]
        letters = await _letters(stack, consumer)
        assert letters.keys() >= wanted
        extra = [letters[place] for place in letters.keys() - wanted]
        assert sorted((letter["topic"], letter["partition"]) for letter in extra) == sorted(beyond)
        assert all("cannot be unpacked" in letter["error"] for letter in extra)
        for place in sorted(wanted)[:3]:
            await _is_kept(stack, consumer, letters[place]["id"], places[place].message)
    for id in written.users.values():
        assert (await stack.client.view_user(id)).ok().body["email"] == f"{id}@example.com"


async def _is_kept(stack: Stack, consumer: str, id: str, message: Message) -> None:
    shown = await eventually(  # a busy log may be too slow for the bound of one request
        lambda: stack.client.letter(consumer, id), lambda answer: answer.problem != "unavailable"
    )
    whole = shown.ok().body
    assert whole["missing"] is None
    assert b64decode(whole["value_base64"]) == message.value
    assert b64decode(whole["key_base64"]) == message.key
    names = [header_bytes(name).decode("utf-8", "replace") for name, _ in message.headers]
    assert [header["name"] for header in whole["headers"]] == names


async def _by_other_clients(
    stack: Stack, random: Random, written: Written
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """What the log's port cannot write: every codec, transactions, bombs. Ends an open transaction.

    Only servers have this: the embedded log takes messages as they are.
    """
    if stack.broker is None:
        return
    from scenarios.harness.strangers import (  # noqa: PLC0415 (drivers, for servers only)
        CODECS,
        RawBatch,
        record,
        stranger,
        transaction,
    )

    def good(mark: str, id: int) -> bytes:
        written.users[mark] = id
        headers = [(b"\xff\xfe", b"x"), (random.randbytes(5), None), (MARK.encode(), mark.encode())]
        return record(0, b"%d" % id, _registered(id), headers)

    topic = stack.prefix + "user.created"
    async with stranger(stack.broker) as other:
        for number, codec in enumerate(CODECS):
            batch = RawBatch([good(f"codec {codec}", FIRST_ID + 1_000 + number)], codec)
            await other.send(topic, number % 3, batch)
        for number, codec in enumerate(("gzip", "lz4", "zstd")):
            bomb = RawBatch([record(0, b"k", bytes(40_000_000))], codec)
            await other.send(stack.prefix + TOPICS[number], number, bomb)
            written.unreadable.append(Partition(TOPICS[number], number))
    id = FIRST_ID + 2_000
    for outcome in ("commit", "abort"):
        async with transaction(stack.broker) as producer:
            for number in range(3):
                mark = f"{outcome} {number}"
                if outcome == "commit":
                    written.users[mark] = id
                else:
                    written.nothing.add(mark)
                await _in_transaction(producer, topic, number, id, mark)
                id += 1
            if outcome == "commit":
                await producer.commit_transaction()
            else:
                await producer.abort_transaction()
    async with transaction(stack.broker, timeout_ms=600_000) as producer:
        await _in_transaction(producer, topic, 0, id, "open")
        yield producer.commit_transaction
        written.users["open"] = id


async def _in_transaction(producer: Any, topic: str, number: int, id: int, mark: str) -> None:
    headers = [(MARK, mark.encode())]
    await producer.send_and_wait(
        topic, _registered(id), key=b"%d" % id, partition=number, headers=headers
    )


async def _rebuilt(stack: Stack) -> None:
    (await stack.client.rebuild()).ok(202)
    await eventually(stack.client.rebuild_progress, lambda seen: seen.body["building"] is None)
    assert (await stack.client.rebuild_progress()).body["failure"] is None


async def test_good_events_count_and_all_else_is_parked(own_stack: Stack) -> None:
    stack, written, random = own_stack, Written(), Random(SEED)
    lamp = await stack.given.product(stock=100)

    orders = []
    for number, message in enumerate(_of_any_kind(random, written)):
        await stack.deliver(message)
        if number % 15 == 0:
            orders.append(await stack.given.order({lamp.id: 1}))
    async for end in _by_other_clients(stack, random, written):
        await stack.settled()
        await _judge(stack, written)
        await _rebuilt(stack)  # with a transaction that is still open
        await end()
    await stack.settled()

    await _judge(stack, written)
    for order in orders:
        assert (await stack.client.order(order.id)).ok().body["reservation"] == "reserved"
        (await stack.client.view_order(order.id)).ok()
    assert (await stack.client.product(lamp.id)).ok().body["stock"] == 100 - len(orders)
    await _rebuilt(stack)
    await _judge(stack, written)
