"""What a broker's bytes hold: batches of records, unpacked within bounds whatever is in them.

aiokafka unpacks a batch as a whole and trusts it. A name of a header that is no UTF-8 ends its
reader with whatever Python raises; 1 MB of zstd may become 10 GB. Anyone who may write to a topic
could so end every process that reads it, at each start again. Here:

- A batch is unpacked up to `UNPACKED_BYTES_MAX`, with aiokafka's own reader behind it.
- Where that fails, each record is read for itself. One that cannot be read, or a whole batch that
  cannot be unpacked, is handed on as a `NoValue` in its place, with the reason.
- Nothing is made of the headers of a record that has more than `HEADERS_MAX`.
- A checksum that is wrong still fails the fetch: what was damaged on its way is asked for again.

aiokafka has no place to hang this in, so `install` puts `Batches` where its fetcher looks for
`MemoryRecords`.
"""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from operator import lt
from typing import Any

import cramjam
from aiokafka.consumer import fetcher
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from system.kit.adapters.kafka.rules import HEADERS_MAX, MESSAGE_BYTES_MAX, UNPACKED_BYTES_MAX
from system.kit.ports.log import Message, Unreadable, header_bytes, header_name

AT_ONCE_BYTES_MAX = 4 * 1024 * 1024
"""Unpacked of one partition, after which the rest of a fetch is left, to be fetched again."""
ROOM_BYTES = 64 * 1024
USUAL_RATIO = 8
RECORDS_MAX = 200_000
"""Of one batch. More do not fit into the largest one that is not compressed."""
GZIP_MEMBERS_MAX = 100
"""Of one batch: each is a copy of all behind it. Producers make one; 1 MB has room for 50,000."""
LARGE_BYTES = 2 * MESSAGE_BYTES_MAX
"""Unpacked. In a smaller batch the headers may be made before they are counted: that is quick."""

_LENGTH = struct.Struct(">qi")
"""Where the batch begins in its partition, and how many bytes follow."""
_HEAD = struct.Struct(">qiibIhiqqqhii")
_LAST_DELTA = 6
"""Of its fields: how far the last record is from the first. The broker holds it to their number."""
_ATTRIBUTES = struct.Struct(">h")
_ATTRIBUTES_AT = struct.calcsize(">qiibI")
_MAGIC_AT = struct.calcsize(">qii")
_CODEC_MASK = 0x07
_LOG_APPEND_TIME = 0x08
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEAD_BYTES = 16
_GZIP = 31  # zlib's number for the format with a gzip header


class TooMuch(ValueError):
    """Unpacked, it is more than a reader may be made to hold."""


class NoValue(bytes):
    """Stands for the value of a record that cannot be read. Empty; `unreadable` says why."""

    unreadable: Unreadable


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A record in the shape of aiokafka's."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    checksum: None = None


def install() -> None:
    fetcher.MemoryRecords = Batches


class Batches:
    """The batches of one partition's part of a fetch."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._unpacked = 0

    def size_in_bytes(self) -> int:
        return len(self._data)

    def has_next(self) -> bool:
        return self._end() is not None and self._unpacked < AT_ONCE_BYTES_MAX

    def _end(self) -> int | None:
        """Where the next batch ends; None when the rest of it was not sent along."""
        if self._position + _LENGTH.size > len(self._data):
            return None
        _, length = _LENGTH.unpack_from(self._data, self._position)
        end = self._position + _LENGTH.size + int(length)
        return end if end <= len(self._data) else None

    def next_batch(self) -> Any:  # of this file, or aiokafka's, which ships no types
        end = self._end()
        assert end is not None, "aiokafka asks `has_next` before"
        raw = memoryview(self._data)[self._position : end]
        self._position = end
        if raw[_MAGIC_AT] < 2:
            # formats that no broker has written since 2017 and that Kafka 4 does not know
            return MemoryRecords(bytes(raw)).next_batch()
        return Batch(raw, self._count)

    def _count(self, size: int) -> None:
        self._unpacked += size


class Batch:
    """One batch. What is not about its records, its aiokafka original answers."""

    def __init__(self, raw: memoryview, unpacked: Callable[[int], None]) -> None:
        self._raw = raw
        self._unpacked = unpacked
        self._original = DefaultRecordBatch(raw)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def __next__(self) -> Any:
        return next(self._original)  # of a control batch: the mark of a transaction

    def __iter__(self) -> Iterator[Any]:
        head = _HEAD.unpack_from(self._raw)
        return iter(_in_their_places(head, list(self._records(head))))

    def _records(self, head: tuple[Any, ...]) -> Iterable[Any]:
        try:
            plain = _plain(self._raw, head[-1])
        except Exception as error:  # noqa: BLE001 (whatever a codec raises: it cannot be unpacked)
            return [_stand_in(self._raw, head[0], error)]
        self._unpacked(len(plain))
        try:
            if len(plain) > LARGE_BYTES:
                _count_headers(plain, head[-1])
            records = list(DefaultRecordBatch(plain))
        except Exception:  # noqa: BLE001 (whatever aiokafka raises; each is told where it stands)
            return _one_by_one(self._raw, plain)
        if any(len(record.headers) > HEADERS_MAX for record in records):
            return _one_by_one(self._raw, plain)
        return records


def _in_their_places(head: tuple[Any, ...], records: Sequence[Any]) -> Sequence[Any]:
    """The records, each in a place of its own within the batch.

    A broker counts the records of a batch, and looks at the places that a producer has written into
    one that is not compressed no more than at the keys. A reader skips what seems to be behind it:

        two records that both say that they are the first: the second would never be read
        one that says that it is the five millionth: the group would go on far behind the end
    """
    first, last = head[0], head[0] + head[_LAST_DELTA]
    places = [record.offset for record in records]
    if not places or (first <= places[0] and places[-1] <= last and _ascend(places)):
        return records
    return [
        ReadRecord(first + index, at.timestamp, at.timestamp_type, at.key, at.value, at.headers)
        for index, at in enumerate(records)
    ]


def _ascend(places: Sequence[int]) -> bool:
    return all(map(lt, places, islice(places, 1, None)))


def _plain(raw: memoryview, count: int) -> bytes:
    """The batch as if it had not been compressed. Raises what the codec raises, or TooMuch."""
    if not 0 <= count <= RECORDS_MAX:
        raise TooMuch(f"{count} records in a batch, over the limit of {RECORDS_MAX}")
    (attributes,) = _ATTRIBUTES.unpack_from(raw, _ATTRIBUTES_AT)
    codec = attributes & _CODEC_MASK
    if not codec:
        return bytes(raw)
    if codec not in UNPACK:
        raise ValueError(f"there is no codec {codec}")
    head = bytearray(raw[: _HEAD.size])
    _ATTRIBUTES.pack_into(head, _ATTRIBUTES_AT, attributes & ~_CODEC_MASK)
    return bytes(head) + UNPACK[codec](bytes(raw[_HEAD.size :]))


def _gzip(packed: bytes) -> bytes:
    parts, room = [], UNPACKED_BYTES_MAX
    while packed:
        member = zlib.decompressobj(_GZIP)
        parts.append(member.decompress(packed, room + 1))
        room -= len(parts[-1])
        if room < 0:
            raise _too_much()
        if len(parts) > GZIP_MEMBERS_MAX:
            raise TooMuch(f"gzip: over {GZIP_MEMBERS_MAX} members")
        if not member.eof:
            raise ValueError("gzip: the end is missing")
        packed = member.unused_data
    return b"".join(parts)


def _snappy(packed: bytes) -> bytes:
    """Snappy, bare or in the blocks of Java's library."""
    if not packed.startswith(_XERIAL):
        return _snappy_block(packed, UNPACKED_BYTES_MAX)
    parts, room, position = [], UNPACKED_BYTES_MAX, _XERIAL_HEAD_BYTES
    while position < len(packed):
        begin = position + 4
        size = int.from_bytes(packed[position:begin], "big")
        position = begin + size
        parts.append(_snappy_block(packed[begin:position], room))
        room -= len(parts[-1])
    return b"".join(parts)


def _snappy_block(packed: bytes, room: int) -> bytes:
    if cramjam.snappy.decompress_raw_len(packed) > room:
        raise _too_much()
    return bytes(cramjam.snappy.decompress_raw(packed))


def _within_bounds(unpack_into: Callable[[bytes, bytearray], int]) -> Callable[[bytes], bytes]:
    def unpack(packed: bytes) -> bytes:
        # It takes memory for what comes out before: little at first, for most batches need little.
        size = max(ROOM_BYTES, len(packed) * USUAL_RATIO)
        while True:
            room = bytearray(min(size, UNPACKED_BYTES_MAX))
            try:
                return bytes(memoryview(room)[: unpack_into(packed, room)])
            except cramjam.DecompressionError as error:
                if "whole buffer" not in str(error):
                    raise
                if size >= UNPACKED_BYTES_MAX:
                    raise _too_much() from error
            size *= USUAL_RATIO

    return unpack


def _too_much() -> TooMuch:
    return TooMuch(f"unpacked it has over {UNPACKED_BYTES_MAX} bytes")


UNPACK: dict[int, Callable[[bytes], bytes]] = {
    1: _gzip,
    2: _snappy,
    3: _within_bounds(cramjam.lz4.decompress_into),
    4: _within_bounds(cramjam.zstd.decompress_into),
}
"""By Kafka's number of the codec: all that there are."""


# --- reading what aiokafka does not ---------------------------------------------------------------


def _one_by_one(raw: memoryview, plain: bytes) -> Iterator[ReadRecord]:
    """Each record for itself; where the frames themselves are wrong, one stands for the rest."""
    head = _HEAD.unpack_from(raw)
    first, count = head[0], head[-1]
    read = _Reader(plain, _HEAD.size)
    for index in range(count):
        try:
            record = read.sub(read.varint())
        except ValueError as error:
            yield _stand_in(raw, first + index, error)
            return
        try:
            yield _record(head, record)
        except ValueError as error:
            yield _stand_in(raw, first + index, error)


def _record(head: tuple[Any, ...], read: _Reader) -> ReadRecord:
    base_offset, attributes, first_timestamp, max_timestamp = head[0], head[5], head[7], head[8]
    later, further, key, value, count = _fields(read)
    timestamp, offset = first_timestamp + later, base_offset + further
    headers = [(header_name(read.sized() or b""), read.sized()) for _ in range(count)]
    if not read.is_at_its_end():
        raise ValueError("a record is longer than what is in it")
    by_broker = bool(attributes & _LOG_APPEND_TIME)
    return ReadRecord(
        offset, max_timestamp if by_broker else timestamp, int(by_broker), key, value, headers
    )


def _fields(read: _Reader) -> tuple[int, int, bytes | None, bytes | None, int]:
    """What stands before a record's headers, and how many there are. Raises ValueError."""
    read.take(1)  # attributes, of which there are none
    later, further, key, value = read.varint(), read.varint(), read.sized(), read.sized()
    if (count := read.varint()) > HEADERS_MAX:
        raise TooMuch(f"{count} headers, over the limit of {HEADERS_MAX}")
    return later, further, key, value, count


def _count_headers(plain: bytes, count: int) -> None:
    """Look at the number that stands before the headers. Raises ValueError."""
    read = _Reader(plain, _HEAD.size)
    for _ in range(count):
        size = read.varint()
        record = read.sub(size)
        if size > 2 * HEADERS_MAX:  # one takes two bytes, if there is nothing in it
            _fields(record)


def _stand_in(raw: memoryview, offset: int, error: Exception) -> ReadRecord:
    reason = f"cannot be unpacked: {type(error).__name__}: {str(error)[:200]}"
    # without the place and the leader's epoch, which the broker writes
    digest = sha256(raw[_MAGIC_AT:]).hexdigest()
    value = NoValue()
    value.unreadable = Unreadable(reason, len(raw), digest)
    return ReadRecord(offset, _HEAD.unpack_from(raw)[8], 0, None, value, [])


class _Reader:
    """Takes pieces off the front of some bytes. Raises ValueError where they end too early."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self._data = data
        self._position = position

    def is_at_its_end(self) -> bool:
        return self._position == len(self._data)

    def take(self, size: int) -> bytes:
        start, self._position = self._position, self._position + size
        if size < 0 or self._position > len(self._data):
            raise ValueError("a record ends too early")
        return self._data[start : self._position]

    def sub(self, size: int) -> _Reader:
        return _Reader(self.take(size))

    def varint(self) -> int:
        """A number in zigzag form, seven bits a byte."""
        value = 0
        for shift in range(0, 70, 7):
            (byte,) = self.take(1)
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value >> 1 ^ -(value & 1)
        raise ValueError("a number does not end")

    def sized(self) -> bytes | None:
        size = self.varint()
        return None if size < 0 else self.take(size)


# --- writing what aiokafka does not ---------------------------------------------------------------


class SingleBatch(BatchBuilder):  # type: ignore[misc]  # aiokafka ships no types
    """A batch of one message, compressed, whatever the names of its headers are.

    aiokafka's own compresses all of a producer's batches or none, and takes no name that is no
    UTF-8. A dead letter and a replay must have what their message had.
    """

    def __init__(self, message: Message) -> None:
        super().__init__(0, 0)
        self._records = bytes(cramjam.zstd.compress(_record_bytes(message)))
        self._state: tuple[int, ...] = (-1, -1, -1)
        self._now_ms = int(time.time() * 1000)

    def size(self) -> int:
        return _HEAD.size + len(self._records)

    def record_count(self) -> int:
        return 1

    def _set_producer_state(self, *state: int) -> None:
        self._state = state  # of its id, epoch, and the sequence's number

    def _build(self) -> bytes:
        now = self._now_ms
        after_checksum = _AFTER_CHECKSUM.pack(_ZSTD, 0, now, now, *self._state, 1) + self._records
        checksum = calc_crc32c(after_checksum)
        before = _BEFORE_CHECKSUM.pack(0, self.size() - _LENGTH.size, -1, 2, checksum)
        return before + after_checksum


_BEFORE_CHECKSUM = struct.Struct(">qiibI")
_AFTER_CHECKSUM = struct.Struct(">hiqqqhii")
_ZSTD = 4


def _record_bytes(message: Message) -> bytes:
    body = b"".join(
        (
            b"\0\0\0",  # no attributes; time and offset are the batch's
            *_sized(message.key),
            *_sized(message.value),
            _varint(len(message.headers)),
            *(
                part
                for name, value in message.headers
                for part in (*_sized(header_bytes(name)), *_sized(value))
            ),
        )
    )
    return _varint(len(body)) + body


def _sized(value: bytes) -> tuple[bytes, bytes]:
    return _varint(len(value)), value


def _varint(number: int) -> bytes:
    """A number of zero or more in zigzag form, seven bits a byte."""
    rest, encoded = number << 1, bytearray()
    while rest > 0x7F:
        encoded.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes(encoded) + bytes((rest,))
