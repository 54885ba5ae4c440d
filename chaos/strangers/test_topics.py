"""On a real broker: a lag is seen where offsets are committed, and where none are that is said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiokafka import AIOKafkaConsumer

from chaos.kit.blackbox import Topic
from chaos.strangers.topics import Topics
from scenarios.harness.servers import Kafka

pytestmark = pytest.mark.outside

DEADLINE_S = 60.0


@pytest.fixture
async def broker() -> AsyncIterator[str]:
    kafka = Kafka()
    await kafka.start()
    try:
        yield kafka.address
    finally:
        await kafka.stop()


async def test_what_a_group_has_not_committed_is_its_lag_and_what_it_never_commits_is_said(
    broker: str,
) -> None:
    topics = Topics(broker, [Topic("things", partitions=1), Topic("quiet", partitions=1)])
    async with AsyncExitStack() as stack, asyncio.timeout(DEADLINE_S):
        await topics.make()
        stack.push_async_callback(topics.close)
        await topics.follow()
        for _ in range(3):
            await topics.put_in("things", b"one")

        assert await topics.without_lag(await topics.ends()) == ["no group of consumers was seen"]

        commits, never = [
            await stack.enter_async_context(
                AIOKafkaConsumer(
                    "things",
                    "quiet",
                    bootstrap_servers=broker,
                    group_id=group,
                    auto_offset_reset="earliest",
                    enable_auto_commit=False,
                )
            )
            for group in ("commits", "never")
        ]
        for consumer in (commits, never):
            await consumer.getone()
        await commits.commit()
        ends = await topics.ends()

        assert await topics.lags(ends) == {"commits": 2}
        assert await topics.without_lag(ends) == ["group never commits no offset of things"]
