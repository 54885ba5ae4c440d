"""A commit in one process is heard in the others that share its database, and in no more."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from uuid import uuid4

import pytest

from system.kit.adapters.bell import GROUP, LOOPBACK, PORT, SIZE_MAX, Bell, joined

DEADLINE_S = 60.0
LAST = "the last"
NO_GROUP = "192.0.2.1"
"""No group, and no address of this machine."""


class Process:
    """One that listens until it hears the last ring."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._done = asyncio.Event()

    def __call__(self, aggregates: Collection[str]) -> None:
        self.heard += aggregates
        if LAST in aggregates:
            self._done.set()

    async def all_heard(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await self._done.wait()


@pytest.fixture
def database() -> str:
    return f"bell-{uuid4().hex}"


@asynccontextmanager
async def connected(database: str, wake: Process, *, group: str = GROUP) -> AsyncIterator[Bell]:
    made = Bell(database, uuid4().hex, wake, group=group)
    async with made.connected():
        yield made


def received(ear: socket.socket) -> Iterator[bytes]:
    """All that has come until now."""
    with suppress(BlockingIOError):
        while True:
            yield ear.recv(SIZE_MAX)


async def test_it_is_heard_once_here_and_in_every_other_process(database: str) -> None:
    processes = [Process(), Process(), Process()]
    async with AsyncExitStack() as opened:
        bells = [await opened.enter_async_context(connected(database, each)) for each in processes]
        bells[0].ring({"order"})
        bells[1].ring({LAST})  # what was on its way before it has been heard by then
        for process in processes[1:]:
            await process.all_heard()
        bells[2].ring({LAST})
        await processes[0].all_heard()
    assert [each.heard.count("order") for each in processes] == [1, 1, 1]


async def test_what_is_rung_for_another_database_or_by_strangers_is_passed_over(
    database: str,
) -> None:
    listening = Process()
    async with AsyncExitStack() as opened:
        await opened.enter_async_context(connected(database, listening))
        other = await opened.enter_async_context(connected(f"{database}2", Process()))
        own = await opened.enter_async_context(connected(database, Process()))
        other.ring({"order"})
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, LOOPBACK)
            for noise in (b"", b"\xff\x00\x00\x00", database.encode(), bytes(9_000)):
                stranger.sendto(noise, (GROUP, PORT))
        own.ring({LAST})
        await listening.all_heard()
    assert listening.heard == [LAST]


async def test_a_commit_without_events_rings_for_nobody(database: str) -> None:
    listening = Process()
    with closing(joined(GROUP)) as ear:
        async with connected(database, listening), connected(database, Process()) as own:
            own.ring(())
            own.ring({LAST})
            await listening.all_heard()
        rings = [ring for ring in received(ear) if ring.startswith(database.encode())]
    assert listening.heard == [LAST]
    assert len(rings) == 1


async def test_where_there_is_no_group_it_wakes_its_own_process(database: str) -> None:
    alone = Process()
    async with connected(database, alone, group=NO_GROUP) as silent:
        silent.ring({"order"})
    assert alone.heard == ["order"]
