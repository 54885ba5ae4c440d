"""What is left to read is counted over all groups and all partitions, also over those never committed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.coordinator.protocol import ConsumerProtocol, ConsumerProtocolMemberAssignment

from chaos.kit.blackbox import Topic
from chaos.strangers import topics
from chaos.strangers.topics import Topics

NEVER = -1
"""What Kafka gives as the offset of a partition of which a group has committed nothing."""
FIRST, SECOND = TopicPartition("things", 0), TopicPartition("things", 1)
OTHER, QUIET = TopicPartition("others", 0), TopicPartition("quiet", 0)
ENDS = {FIRST: 5, SECOND: 4, OTHER: 7, QUIET: 0}

Offsets = Mapping[TopicPartition, int]


class Broker:
    """Groups with what they have committed and what is assigned to them, as Kafka's admin tells it."""

    def __init__(
        self, committed: Mapping[str, Offsets], assigned: Mapping[str, Sequence[TopicPartition]]
    ) -> None:
        self._committed, self._assigned = committed, assigned

    async def list_consumer_groups(self) -> list[tuple[str, str]]:
        return [(group, ConsumerProtocol.PROTOCOL_TYPE) for group in self._committed]

    async def list_consumer_group_offsets(self, group: str) -> dict[TopicPartition, Any]:
        offsets = self._committed[group].items()
        return {place: SimpleNamespace(offset=offset) for place, offset in offsets}

    async def describe_topics(self, names: list[str]) -> list[Mapping[str, Any]]:
        return [
            {
                "topic": name,
                "partitions": [{"partition": at.partition} for at in ENDS if at.topic == name],
            }
            for name in names
        ]

    async def close(self) -> None: ...

    async def describe_consumer_groups(self, groups: list[str]) -> list[Any]:
        (group,) = groups
        members = [(*("",) * 4, _dealt(place)) for place in self._assigned.get(group, ())]
        joining = (*("",) * 4, b"")
        kind = ConsumerProtocol.PROTOCOL_TYPE
        return [SimpleNamespace(groups=[(0, group, "Stable", kind, "range", [joining, *members])])]


def _dealt(place: TopicPartition) -> bytes:
    dealt = ConsumerProtocolMemberAssignment(0, [(place.topic, [place.partition])], b"")
    return bytes(dealt.encode())


class Reader:
    """The judge's own consumer, and how far it has come."""

    def __init__(self, read: Offsets) -> None:
        self._read = read

    async def start(self) -> None: ...

    async def topics(self) -> set[str]:
        return {"things", "others", "quiet"}

    def assign(self, _: object) -> None: ...

    async def getmany(self, timeout_ms: int) -> dict[TopicPartition, Any]:
        await asyncio.Event().wait()
        raise AssertionError("no record comes here")

    async def end_offsets(self, places: Sequence[TopicPartition]) -> Offsets:
        return {place: ENDS[place] for place in places}

    async def position(self, place: TopicPartition) -> int:
        return self._read[place]

    async def stop(self) -> None: ...


def seen(
    monkeypatch: pytest.MonkeyPatch,
    committed: Mapping[str, Offsets],
    assigned: Mapping[str, Sequence[TopicPartition]] | None = None,
    read: Offsets | None = None,
) -> Topics:
    monkeypatch.setattr(
        topics, "AIOKafkaAdminClient", lambda **_: Broker(committed, assigned or {})
    )
    monkeypatch.setattr(
        topics, "AIOKafkaConsumer", lambda **_: Reader(ENDS if read is None else read)
    )
    return Topics("", [Topic("things"), Topic("others"), Topic("quiet")])


@pytest.mark.parametrize(
    ("committed", "lags"),
    [
        ({"one": {FIRST: 5, SECOND: 4}}, {}),
        ({"one": {FIRST: 5, SECOND: 4}, "two": {FIRST: 2, SECOND: 4}}, {"two": 3}),
        ({"one": {FIRST: 4, SECOND: 4}, "two": {FIRST: 5, SECOND: 1}}, {"one": 1, "two": 3}),
        ({"one": {FIRST: 5}}, {"one": 4}),
        ({"one": {FIRST: 5, SECOND: NEVER}}, {"one": 4}),
        ({"one": {FIRST: 5, SECOND: 4}, "two": {OTHER: 6}}, {"two": 1}),
        ({"one": {FIRST: 5, SECOND: 4, OTHER: 5}}, {"one": 2}),
        ({"one": {FIRST: 9, SECOND: 1}}, {"one": 3}),
        ({"one": {}}, {}),
    ],
    ids=[
        "all is read",
        "the second group lags",
        "both lag",
        "a partition that was never committed",
        "a partition of which Kafka knows no offset",
        "a topic of its own",
        "two topics",
        "what is ahead in one partition is none the less behind in the other",
        "what commits nothing lags in nothing: that is said elsewhere",
    ],
)
async def test_a_lag_is_what_a_group_has_not_read_of_its_topics(
    monkeypatch: pytest.MonkeyPatch, committed: Mapping[str, Offsets], lags: Mapping[str, int]
) -> None:
    assert await seen(monkeypatch, committed).lags(ENDS) == lags


@pytest.mark.parametrize(
    ("committed", "assigned", "said"),
    [
        ({"one": {FIRST: 5}}, {"one": [FIRST]}, []),
        ({}, {}, ["no group of consumers was seen"]),
        ({"one": {}}, {}, ["group one commits no offset"]),
        ({"one": {FIRST: NEVER}}, {}, ["group one commits no offset"]),
        ({"one": {FIRST: 5}}, {"one": [OTHER]}, ["group one commits no offset of others"]),
        ({"one": {FIRST: 5}}, {"one": [FIRST, QUIET]}, []),
        (
            {"one": {FIRST: 5}, "two": {FIRST: 5}},
            {"one": [FIRST], "two": [FIRST, OTHER]},
            ["group two commits no offset of others"],
        ),
    ],
    ids=[
        "all is committed",
        "no group",
        "nothing is committed",
        "Kafka knows no offset",
        "another topic is committed",
        "nothing was written that could be committed",
        "the second group",
    ],
)
async def test_why_a_lag_cannot_be_seen_is_said_of_each_group_and_topic(
    monkeypatch: pytest.MonkeyPatch,
    committed: Mapping[str, Offsets],
    assigned: Mapping[str, Sequence[TopicPartition]],
    said: Sequence[str],
) -> None:
    assert await seen(monkeypatch, committed, assigned).without_lag(ENDS) == said


@pytest.mark.parametrize(
    ("read", "is_read"),
    [
        (ENDS, True),
        (ENDS | {FIRST: 4}, False),
        (ENDS | {OTHER: 6}, False),
        (ENDS | {SECOND: 0, OTHER: 0}, False),
        (ENDS | {FIRST: 9}, True),
    ],
    ids=["all", "not the first", "not the last", "one of several", "more since it was asked"],
)
async def test_all_is_read_once_the_judge_has_come_to_the_end_of_each_partition(
    monkeypatch: pytest.MonkeyPatch, read: Offsets, *, is_read: bool
) -> None:
    followed = seen(monkeypatch, {}, read=read)
    await followed.follow()
    try:
        assert await followed.ends() == ENDS
        assert await followed.is_read() is is_read
    finally:
        await followed.close()
