"""A client that is silent, slow or many takes nothing from the others."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from scenarios.http.toy import Running, Toy, running, until
from system.kit.http.connections import Connections, quiet_accepts

ASKS = b"GET /things/1 HTTP/1.1\r\nHost: x\r\n\r\n"
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def lines(toy: Running, number: int) -> AsyncIterator[list[Line]]:
    """So many connections, one after the other."""
    async with AsyncExitStack() as stack:
        opened = []
        for _ in range(number):
            line = await asyncio.open_connection("127.0.0.1", toy.service.port)
            stack.callback(line[1].close)
            opened.append(line)
        yield opened


async def answer(line: Line) -> tuple[int, bytes]:
    async with asyncio.timeout(60):
        head = await line[0].readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        return int(head.split()[1]), await line[0].readexactly(length)


async def ask(line: Line, what: bytes = ASKS) -> tuple[int, bytes]:
    line[1].write(what)
    return await answer(line)


@pytest.mark.parametrize("sent", [b"GET /things/1 HTT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_that_does_not_come_whole_is_not_waited_for(sent: bytes) -> None:
    async with running(connections=Connections(head_s=0.05)) as toy, lines(toy, 1) as (line,):
        assert (await ask(line))[0] == 200
        status, body = await ask(line, sent)
        assert (status, b"request-timeout" in body) == (408, True)
        assert await line[0].read() == b""


async def test_a_silent_connection_is_closed() -> None:
    async with running(connections=Connections(idle_s=0.05)) as toy, lines(toy, 1) as (line,):
        async with asyncio.timeout(60):
            assert await line[0].read() == b""


async def test_an_answer_that_is_not_taken_is_not_waited_for() -> None:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        async with running(connections=Connections(taking_s=0.05)) as toy:
            client.connect(("127.0.0.1", toy.service.port))
            await until(lambda: toy.service.connections.number == 1)
            client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000)
            await until(lambda: toy.service.connections.number == 0)


async def test_one_too_many_takes_the_place_of_the_one_that_has_idled_longest() -> None:
    async with running(connections=Connections(2)) as toy, lines(toy, 2) as (first, second):
        assert (await ask(first))[0] == 200
        assert (await ask(second))[0] == 200
        assert (await ask(first))[0] == 200
        async with lines(toy, 1) as (third,):
            assert (await ask(third))[0] == 200
            async with asyncio.timeout(60):
                assert await second[0].read() == b""
            assert (await ask(first))[0] == 200


async def test_where_all_are_busy_only_health_and_operations_are_answered() -> None:
    toy = Toy(hold=asyncio.Event())
    connections = Connections(2, reserve=2)
    async with running(toy, connections=connections) as api, lines(api, 2) as busy:
        for _, writer in busy:
            writer.write(ASKS)
        await until(lambda: len(toy.asked) == 2)
        async with lines(api, 2) as (probe, other):
            assert (await ask(probe, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"))[0] == 200
            status, body = await ask(other)
            assert (status, b"too-many-connections" in body) == (503, True)
        assert toy.hold is not None
        toy.hold.set()
        for line in busy:
            assert (await answer(line))[0] == 200


async def test_beyond_the_reserve_a_connection_gets_one_answer() -> None:
    toy = Toy(hold=asyncio.Event())
    async with running(toy, connections=Connections(1, reserve=0)) as api, lines(api, 1) as (busy,):
        busy[1].write(ASKS)
        await until(lambda: bool(toy.asked))
        async with lines(api, 1) as (other,):
            status, body = await answer(other)
            assert (status, b"too-many-connections" in body) == (503, True)
            assert await other[0].read() == b""
        assert toy.hold is not None
        toy.hold.set()
        assert (await answer(busy))[0] == 200


async def test_a_thousand_silent_ones_do_not_keep_one_out() -> None:
    async with (
        running(connections=Connections(50)) as toy,
        lines(toy, 300),
        lines(toy, 1) as (one,),
    ):
        assert (await ask(one))[0] == 200
        assert toy.service.connections.number <= 50


GRANTED = """
import resource
from system.kit.http.connections import room_for_connections
resource.setrlimit(resource.RLIMIT_NOFILE, (300, 800))
print(room_for_connections(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def test_a_process_takes_the_files_that_it_may_have_and_half_of_them_for_connections() -> None:
    said = subprocess.run(
        [sys.executable, "-c", GRANTED], check=True, capture_output=True, text=True
    )
    assert said.stdout.split() == ["400", "800"]


def test_failed_accepts_are_told_once_a_second() -> None:
    told: list[dict[str, object]] = []
    now = 0.0
    handler = quiet_accepts(told.append, lambda: now)
    loop = asyncio.new_event_loop()
    for _ in range(100):
        handler(loop, {"message": "socket.accept() out of system resource"})
    handler(loop, {"message": "something else"})
    assert len(told) == 2
    now = 1.5
    handler(loop, {"message": "socket.accept() out of system resource"})
    assert len(told) == 3
    loop.close()
