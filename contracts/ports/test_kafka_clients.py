"""How clients of aiokafka are given up: in time, and without a complaint of asyncio's."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("aiokafka")

from aiokafka.errors import KafkaConnectionError

from system.kit.adapters.kafka.clients import close_consumer


async def fails() -> None:
    raise KafkaConnectionError("its broker is gone")


async def fails_when_canceled() -> None:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await fails()


async def nothing() -> None:
    """Close a client, at once."""


class Parts:
    """A consumer with the parts of aiokafka's, one of which has failed already."""

    def __init__(self, *, hangs: bool) -> None:
        self._hangs = hangs
        self._client = SimpleNamespace(close=nothing, _md_update_fut=None)
        self._alive = [asyncio.create_task(fails_when_canceled()) for _ in range(2)]
        heartbeat, fetch = self._alive
        self._coordinator = SimpleNamespace(
            _coordination_task=asyncio.create_task(fails()), _heartbeat_task=heartbeat
        )
        self._fetcher = SimpleNamespace(_fetch_task=fetch, _pending_tasks=set[Any]())

    async def stop(self) -> None:
        if self._hangs:
            await fails_when_canceled()
        for task in self._alive:
            task.cancel()


@pytest.mark.parametrize("hangs", [False, True])
async def test_what_fails_in_a_consumer_that_is_given_up_is_no_complaint(
    complaints: list[str], *, hangs: bool
) -> None:
    consumer = Parts(hangs=hangs)
    await asyncio.sleep(0)

    await close_consumer(consumer)
    await asyncio.sleep(0.01)
    del consumer
    gc.collect()

    assert complaints == []
