"""What Kafka says about one message, checked against its own test vectors and client."""

from __future__ import annotations

from random import Random

import pytest

from system.kit.adapters.kafka.rules import batch_bytes, batch_bytes_at_most
from system.kit.ports.log import Headers, Message
from system.kit.ports.partitioner import murmur2, partition_number


@pytest.mark.parametrize(
    ("data", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_the_one_of_kafkas_java_client(data: bytes, signed: int) -> None:
    assert murmur2(data) == signed % 2**32


def test_murmur2_is_the_one_of_aiokafka() -> None:
    theirs = pytest.importorskip("aiokafka.partitioner").murmur2
    random = Random(1)
    for size in range(70):
        data = random.randbytes(size)
        assert murmur2(data) == theirs(data), data


def test_a_key_goes_to_one_of_the_partitions() -> None:
    assert [partition_number(b"%d" % number, 3) for number in range(6)] == [2, 0, 2, 2, 1, 0]


@pytest.mark.parametrize("value_bytes", [0, 1, 62, 63, 64, 8190, 8191, 8192, 1_048_588])
@pytest.mark.parametrize("headers", [(), (("é", b""),), (("name", b"x" * 70),) * 65])
def test_a_batch_is_as_large_as_kafkas_client_makes_it(value_bytes: int, headers: Headers) -> None:
    records = pytest.importorskip("aiokafka.record.default_records")
    builder = records.DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=2**30,
    )
    message = Message("topic", b"key", b"v" * value_bytes, headers)

    builder.append(
        0, timestamp=1, key=message.key, value=message.value, headers=list(message.headers)
    )

    assert batch_bytes(message) == len(builder.build())
    assert batch_bytes_at_most(message) >= batch_bytes(message)


def test_of_headers_with_one_name_the_last_counts_as_for_kafkas_clients() -> None:
    message = Message("topic", b"key", b"", (("a", b"first"), ("b", b""), ("a", b"last")))

    assert message.header("a") == b"last"
    assert message.header("c") is None
