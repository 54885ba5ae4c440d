"""Producers that are not ours: they compress, use transactions, and write what bytes they like."""

from __future__ import annotations

import gzip
import struct
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import cramjam
from aiokafka import AIOKafkaProducer
from aiokafka.codec import lz4_encode, snappy_encode
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c, encode_varint

Headers = Sequence[tuple[bytes, bytes | None]]

CODECS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "none": (0, bytes),
    "gzip": (1, gzip.compress),
    "snappy": (2, lambda data: bytes(cramjam.snappy.compress_raw(data))),
    "snappy of Java": (2, snappy_encode),
    "lz4": (3, lz4_encode),
    "zstd": (4, lambda data: bytes(cramjam.zstd.compress(data))),
}
_BEFORE_CHECKSUM = struct.Struct(">qiibI")
_AFTER_CHECKSUM = struct.Struct(">hiqqqhii")


def record(
    index: int,
    key: bytes | None,
    value: bytes | None,
    headers: Headers = (),
    *,
    time_delta: int = 0,
) -> bytes:
    """One record as it stands in a batch."""
    body = bytearray(b"\0")
    encode_varint(time_delta, body.append)
    encode_varint(index, body.append)
    for part in (key, value):
        _sized(body, part)
    encode_varint(len(headers), body.append)
    for name, content in headers:
        _sized(body, name)
        _sized(body, content)
    framed = bytearray()
    encode_varint(len(body), framed.append)
    return bytes(framed + body)


def with_empty_headers(index: int, number: int) -> bytes:
    """A record of so many headers, each of which has no name and no value: two bytes."""
    body = bytearray(b"\0\0")
    encode_varint(index, body.append)
    _sized(body, b"k")
    _sized(body, b"v")
    encode_varint(number, body.append)
    framed = bytearray()
    encode_varint(len(body) + 2 * number, framed.append)
    return bytes(framed + body) + bytes(2 * number)


def _sized(body: bytearray, part: bytes | None) -> None:
    encode_varint(-1 if part is None else len(part), body.append)
    body.extend(part or b"")


class RawBatch(BatchBuilder):  # type: ignore[misc]  # aiokafka ships no types
    """A batch whose records are these bytes, compressed by this codec."""

    def __init__(
        self, records: Sequence[bytes], codec: str = "none", *, timestamp_ms: int | None = None
    ) -> None:
        super().__init__(0, 0)
        self._count = len(records)
        self._codec, compress = CODECS[codec]
        self._packed = compress(b"".join(records))
        self._state: tuple[int, ...] = (-1, -1, -1)
        self._time = int(time.time() * 1000) if timestamp_ms is None else timestamp_ms

    def size(self) -> int:
        return _BEFORE_CHECKSUM.size + _AFTER_CHECKSUM.size + len(self._packed)

    def record_count(self) -> int:
        return self._count

    def _set_producer_state(self, *state: int) -> None:
        self._state = state

    def _build(self) -> bytes:
        last = self._count - 1
        head = (self._codec, last, self._time, self._time, *self._state, self._count)
        after = _AFTER_CHECKSUM.pack(*head) + self._packed
        return _BEFORE_CHECKSUM.pack(0, self.size() - 12, -1, 2, calc_crc32c(after)) + after


class Stranger:
    """Writes to partitions of a broker."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer

    async def send(self, topic: str, number: int, batch: RawBatch) -> int:
        """Write a batch; the offset of its first record."""
        sending = await self.producer.send_batch(batch, topic, partition=number)
        return int((await sending).offset)


@asynccontextmanager
async def stranger(address: str, **settings: Any) -> AsyncIterator[Stranger]:
    producer = AIOKafkaProducer(bootstrap_servers=address, **settings)
    await producer.start()
    try:
        yield Stranger(producer)
    finally:
        await producer.stop()


@asynccontextmanager
async def transaction(address: str, *, timeout_ms: int = 60_000) -> AsyncIterator[AIOKafkaProducer]:
    """A producer whose transaction has begun. One that is not ended stays open."""
    producer = AIOKafkaProducer(
        bootstrap_servers=address,
        transactional_id=uuid4().hex,
        transaction_timeout_ms=timeout_ms,
    )
    await producer.start()
    await producer.begin_transaction()
    try:
        yield producer
    finally:
        await producer.stop()
