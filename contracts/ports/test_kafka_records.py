"""Batches as a broker hands them out, read without one: every codec, any bytes, bounded memory."""

from __future__ import annotations

import gzip
import tracemalloc
from random import Random

import pytest

pytest.importorskip("aiokafka")

from scenarios.harness.strangers import CODECS, RawBatch, record, with_empty_headers
from system.kit.adapters.kafka import records as kafka_records
from system.kit.adapters.kafka.records import Batches, NoValue, SingleBatch
from system.kit.adapters.kafka.rules import HEADERS_MAX, MESSAGE_BYTES_MAX, UNPACKED_BYTES_MAX
from system.kit.ports.log import Message, header_bytes, header_name

SIZES = (0, 1, 1_000, 70_000, 3_000_000, UNPACKED_BYTES_MAX - 100)


def read(*batches: bytes) -> list[kafka_records.ReadRecord]:
    found = Batches(b"".join(batches))
    records = []
    while found.has_next():
        batch = found.next_batch()
        assert batch.validate_crc()
        records += list(batch)
    return records


def built(*records: bytes, codec: str = "none") -> bytes:
    return bytes(RawBatch(records, codec)._build())  # noqa: SLF001 (aiokafka's own name for it)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", SIZES)
def test_a_batch_is_unpacked_whatever_its_size(codec: str, size: int) -> None:
    (found,) = read(built(record(0, b"k", bytes(size)), codec=codec))

    assert (found.key, len(found.value or b"")) == (b"k", size)


@pytest.mark.parametrize("codec", sorted(CODECS.keys() - {"none"}))
def test_what_is_over_the_bound_is_no_memory(codec: str) -> None:
    (found,) = read(built(record(0, b"k", bytes(UNPACKED_BYTES_MAX)), codec=codec))

    assert isinstance(found.value, NoValue)
    assert "TooMuch" in found.value.unreadable.reason


@pytest.mark.parametrize("number", [HEADERS_MAX + 1, 500_000, 15_000_000])
def test_a_record_of_too_many_headers_stands_for_itself_and_is_no_memory(number: int) -> None:
    """15 million empty ones are 1 kB of zstd. Each would be an object of 64 bytes and more."""
    batch = built(record(0, b"k", b"v"), with_empty_headers(1, number), codec="zstd")
    tracemalloc.start()
    before, stand_in = read(batch)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert before.value == b"v"
    assert isinstance(stand_in.value, NoValue)
    assert f"{number} headers" in stand_in.value.unreadable.reason
    assert most < 4 * UNPACKED_BYTES_MAX


def test_as_many_headers_as_may_be_are_read_whatever_the_size_of_their_batch() -> None:
    for size in (0, 3 * MESSAGE_BYTES_MAX):
        batch = built(record(0, b"k", bytes(size)), with_empty_headers(1, HEADERS_MAX))

        _, found = read(batch)

        assert len(found.headers) == HEADERS_MAX


def test_a_batch_of_thousands_of_gzip_members_stands_for_itself() -> None:
    """For each of them all that is behind it would be copied."""
    whole = built(record(0, b"k", b"v"))
    head, members = whole[:61], gzip.compress(b"") * 40_000 + gzip.compress(whole[61:])
    size = (49 + len(members)).to_bytes(4, "big")
    gzipped = head[:8] + size + head[12:21] + b"\0\1" + head[23:] + members

    (found,) = list(Batches(gzipped).next_batch())

    assert isinstance(found.value, NoValue)
    assert "gzip: over" in found.value.unreadable.reason


@pytest.mark.parametrize(
    "places", [(0, 0, 0), (2, 1, 0), (0, 5_000_000, 2), (-7, -6, -5), (1, 2, 3)]
)
@pytest.mark.parametrize("odd", [False, True], ids=["read at once", "one by one"])
def test_what_a_producer_says_of_places_in_its_batch_is_not_believed(
    places: tuple[int, ...], odd: bool
) -> None:
    headers = [(b"\xff", b"x")] if odd else []
    found = read(built(*(record(n, b"k", b"%d" % n, headers) for n in places)))

    assert [each.offset for each in found] == [0, 1, 2]
    assert [each.value for each in found] == [b"%d" % n for n in places]


def test_of_one_fetch_only_so_much_is_unpacked_at_once() -> None:
    batch = built(record(0, b"k", bytes(3_000_000)), codec="gzip")

    assert len(read(*[batch] * 100)) == 2


def test_a_batch_that_was_not_sent_to_its_end_is_left() -> None:
    batch = built(record(0, b"k", b"v"))

    for size in range(len(batch)):
        assert len(read(batch, batch[:size])) == 1


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_whatever_stands_in_a_batch_it_is_read_or_stands_for_itself(codec: str) -> None:
    """Each byte of the records turned, one at a time and at random."""
    random = Random(1)
    good = [record(n, b"key", b"value", [(b"name", b"x"), (b"n", None)]) for n in range(3)]
    whole = b"".join(good)
    for place in range(len(whole)):
        for _ in range(4):
            spoilt = bytearray(whole)
            spoilt[place] = random.randrange(256)
            parts = [bytes(spoilt[: len(good[0])]), bytes(spoilt[len(good[0]) :]), b""]

            found = read(built(*parts, codec=codec))

            assert 1 <= len(found) <= 3
            assert all(each.value is None or isinstance(each.value, bytes) for each in found)


def test_random_bytes_instead_of_what_a_codec_has_made_stand_for_themselves() -> None:
    random = Random(1)
    for codec in CODECS.keys() - {"none"}:
        head = built(record(0, b"k", b"v"), codec=codec)[:61]
        for size in (0, 1, 8, 100, 5_000):
            bad = Batches(
                head[:8] + (49 + size).to_bytes(4, "big") + head[12:] + random.randbytes(size)
            )

            (found,) = list(bad.next_batch())

            assert isinstance(found.value, NoValue)


def test_a_single_batch_is_read_as_it_was_written() -> None:
    names = (b"\xff\xfe", b"", "é".encode(), b"x" * 300)
    message = Message(
        "topic", b"k" * 200, b"v" * 5_000_000, tuple((header_name(name), name) for name in names)
    )

    (found,) = read(SingleBatch(message)._build())  # noqa: SLF001 (aiokafka's own name for it)

    assert (found.key, found.value) == (message.key, message.value)
    assert [header_bytes(name) for name, _ in found.headers] == list(names)
