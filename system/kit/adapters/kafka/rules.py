"""What Kafka says about one message and its topic: size, settings. Pure functions."""

from __future__ import annotations

from system.kit.errors import Poison
from system.kit.events import REPLAY_FOR, dlq
from system.kit.ports.log import Message, header_bytes

MESSAGE_BYTES_MAX = 1_048_588
"""The broker's default `message.max.bytes`: the largest record batch that it stores."""
REPLAY_BYTES_MAX = 1_024
"""What a replay adds to a message: the header that names whom it is for."""
DEAD_LETTER_BYTES_MAX = 2 * 1024 * 1024
"""A dead letter is a message that fitted into its topic, and what is known of its failure."""


UNPACKED_BYTES_MAX = 32 * 1024 * 1024
"""More of a compressed batch is not unpacked: 1 MB of it may stand for 10 GB."""
HEADERS_MAX = 20_000
"""Of one message. Kafka has no limit; 15 million empty ones are 1 kB of zstd, and 1 GB of objects."""
KEPT_FOR_EVER = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
MAX_BYTES = "max.message.bytes"


class MessageTooLarge(Poison):
    """The message is over Kafka's limit; no broker stores it."""


_BATCH_HEADER_BYTES = 61
_LENGTH_BYTES_MAX = 5
"""Of a varint of 32 bits."""
_CHARACTER_BYTES_MAX = 4
_FRAME_BYTES_MAX = _BATCH_HEADER_BYTES + 3 + 4 * _LENGTH_BYTES_MAX
"""Beside key, value and headers: the batch, the record's own bytes, and four lengths."""


def topic_bytes_max(topic: str) -> int:
    """What a topic is made to take: its largest message must also fit when it is replayed."""
    return DEAD_LETTER_BYTES_MAX if is_dlq(topic) else MESSAGE_BYTES_MAX + REPLAY_BYTES_MAX


def topic_settings(topic: str) -> dict[str, str]:
    """What a topic is made with."""
    return KEPT_FOR_EVER | {MAX_BYTES: str(topic_bytes_max(topic))}


def bytes_max(message: Message) -> int:
    """What is no replay leaves room to become one."""
    if is_dlq(message.topic) or message.header(REPLAY_FOR) is not None:
        return topic_bytes_max(message.topic)
    return MESSAGE_BYTES_MAX


def is_dlq(topic: str) -> bool:
    return topic.endswith(dlq(""))


def fits(message: Message) -> bool:
    """Whether its topic takes it as it is. Else it may still do so compressed."""
    return len(message.headers) <= HEADERS_MAX and (
        batch_bytes_at_most(message) <= MESSAGE_BYTES_MAX
        or batch_bytes(message) <= bytes_max(message)
    )


def too_large(message: Message, stored_bytes: int) -> MessageTooLarge | None:
    """Why a message that is stored in so many bytes, as it is or compressed, cannot be."""
    if (number := len(message.headers)) > HEADERS_MAX:  # it could not be read back
        return MessageTooLarge(f"{number} headers, over the limit of {HEADERS_MAX}")
    if (size := batch_bytes(message)) > UNPACKED_BYTES_MAX:
        return MessageTooLarge(f"{size} bytes, over the limit of {UNPACKED_BYTES_MAX}")
    if stored_bytes > (limit := bytes_max(message)):
        return MessageTooLarge(f"{stored_bytes} bytes, over the limit of {limit}")
    return None


def batch_bytes_at_most(message: Message) -> int:
    """A bound that is known at once: nearly every message is far from any limit."""
    headers = [
        _CHARACTER_BYTES_MAX * len(name) + len(value) + 2 * _LENGTH_BYTES_MAX
        for name, value in message.headers
    ]
    return _FRAME_BYTES_MAX + len(message.key) + len(message.value) + sum(headers)


def batch_bytes(message: Message) -> int:
    """Count the bytes of a record batch (format 2, uncompressed) with this message alone."""
    headers = _varint_bytes(len(message.headers)) + sum(
        _with_length(len(header_bytes(name))) + _with_length(len(value))
        for name, value in message.headers
    )
    attributes_and_deltas = 3  # one byte, and two zeros: offset and time relative to the batch
    record = (
        attributes_and_deltas
        + _with_length(len(message.key))
        + _with_length(len(message.value))
        + headers
    )
    return _BATCH_HEADER_BYTES + _with_length(record)


def _with_length(size: int) -> int:
    return _varint_bytes(size) + size


def _varint_bytes(number: int) -> int:
    """Size of a number of zero or more as a zigzag varint, which has 7 bits a byte."""
    return max(1, -(-(number << 1).bit_length() // 7))
