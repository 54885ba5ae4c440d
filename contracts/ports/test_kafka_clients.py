"""How clients of aiokafka are given up: in time, and without a complaint of asyncio's."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("aiokafka")

from aiokafka.errors import KafkaConnectionError

from system.kit.adapters.kafka.clients import bounded, close_consumer
from system.kit.errors import TimedOut, Unavailable


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


async def test_a_wait_in_a_client_that_is_cut_off_is_unavailable_and_no_end_of_the_task() -> None:
    metadata = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        async with bounded("looking for a topic", 5):
            await asyncio.shield(metadata)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    metadata.cancel()  # as cutting off does

    with pytest.raises(Unavailable, match="looking for a topic: its client was cut off"):
        await waiting


async def test_a_task_that_is_canceled_or_late_within_its_bound_ends_as_it_should() -> None:
    async def wait(bound_s: float) -> None:
        async with bounded("waiting", bound_s):
            await asyncio.Event().wait()

    waiting = asyncio.create_task(wait(5))
    await asyncio.sleep(0)
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(TimedOut):
        await wait(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await wait(5)
