"""Which partition a key belongs to: as Kafka's default partitioner says, on every stack."""

from __future__ import annotations

_UINT32 = 0xFFFFFFFF
_SEED = 0x9747B28C
_MIX = 0x5BD1E995


def partition_number(key: bytes, partitions: int) -> int:
    """Choose a partition as Kafka's default partitioner does for a message with a key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """Hash with Murmur2 in the variant of Kafka's Java client, as an unsigned 32-bit number."""
    whole = len(data) & ~3
    state = _SEED ^ len(data)
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _MIX & _UINT32
        word = (word ^ word >> 24) * _MIX & _UINT32
        state = (state * _MIX & _UINT32) ^ word
    if whole < len(data):
        state = (state ^ int.from_bytes(data[whole:], "little")) * _MIX & _UINT32
    state = (state ^ state >> 13) * _MIX & _UINT32
    return state ^ state >> 15
