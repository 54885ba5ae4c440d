"""Which brokers have a partition, as Kafka itself knows it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

NONE = -1
"""Nobody leads."""


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


class Copies(NamedTuple):
    """The broker that leads a partition, and those that have all of it."""

    leader: int
    in_sync: frozenset[int]


async def copies(bootstrap: Sequence[str], topics: Collection[str]) -> Mapping[Place, Copies]:
    """Of each partition of these topics; empty while no broker says so."""
    admin = AIOKafkaAdminClient(bootstrap_servers=list(bootstrap), request_timeout_ms=2_000)
    try:
        await admin.start()
        return {
            Place(topic["topic"], one["partition"]): Copies(one["leader"], frozenset(one["isr"]))
            for topic in await admin.describe_topics(list(topics))
            for one in topic["partitions"]
        }
    except KafkaError:
        return {}
    finally:
        await admin.close()
