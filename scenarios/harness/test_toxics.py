"""Toxiproxy is asked by a library: each call has its own server, a time-out, and an honest refusal."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest
from toxiproxy.exceptions import NotFound

from scenarios.harness.servers import shared, toxics
from scenarios.harness.servers.common import HOST
from scenarios.harness.servers.toxics import Toxics
from scenarios.harness.servers.toxiproxy import Toxiproxy

LENGTH = re.compile(r"content-length: (\d+)", re.IGNORECASE)
PROXIES = {"sql": {"name": "sql", "listen": "l", "upstream": "u", "enabled": True}}


@dataclass
class Pretender:
    """Speaks as Toxiproxy does, as far as a test needs it."""

    status: str = "200 OK"
    answers: bool = True
    port: int = 0
    asked: list[str] = field(default_factory=list)
    bodies: list[object] = field(default_factory=list)
    """Of those that have one, as JSON."""

    def answer(self, asked: str) -> object:
        return PROXIES

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:  # one that only looked whether it listens
            writer.close()
            return
        asked = head.partition(" HTTP")[0]
        self.asked.append(asked)
        length = LENGTH.search(head)
        sent = await reader.readexactly(int(length[1])) if length else b""
        self.bodies += [json.loads(sent)] if sent else []
        if self.answers:
            body = json.dumps(self.answer(asked))
            writer.write(
                f"HTTP/1.1 {self.status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                f"{body}".encode()
            )
            await writer.drain()
            writer.close()
        else:
            await reader.read()  # until the client gives up
            writer.close()


@asynccontextmanager
async def running(pretender: Pretender) -> AsyncIterator[Toxics]:
    server = await asyncio.start_server(pretender.serve, HOST, 0)
    pretender.port = server.sockets[0].getsockname()[1]
    async with server:
        yield Toxics(HOST, pretender.port)


async def test_calls_at_once_each_reach_their_own_server() -> None:
    first, second = Pretender(), Pretender()
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(running(each)) for each in (first, second)]
        await asyncio.gather(
            *(one.reset() for _ in range(5)),
            *(two.enable("sql", enabled=False) for _ in range(5)),
        )
    assert first.asked == ["POST /reset"] * 5
    assert second.asked == ["GET /proxies", "POST /proxies/sql"] * 5


async def test_a_server_that_does_not_answer_is_an_error_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(toxics, "ANSWER_S", 0.05)
    async with running(Pretender(answers=False)) as silent:
        with pytest.raises(OSError, match="timed out"):
            await silent.reset()


async def test_a_refusal_is_raised_whatever_its_status() -> None:
    async with running(Pretender(status="500 Internal Server Error")) as broken:
        with pytest.raises(OSError, match="500"):
            await broken.change("sql", "latency", "upstream", {"latency": 1})


async def test_a_proxy_that_is_not_there_is_named() -> None:
    async with running(Pretender()) as server:
        with pytest.raises(NotFound, match="'mongo'"):
            await server.enable("mongo", enabled=True)


@dataclass
class Keeping(Pretender):
    """One that keeps its proxies."""

    proxies: dict[str, object] = field(default_factory=dict)

    def answer(self, asked: str) -> object:
        match asked.split("/"):
            case ["POST ", "proxies"]:
                made = self.bodies[-1]
                assert isinstance(made, dict)
                self.proxies[made["name"]] = made | {"enabled": True}
                return self.proxies[made["name"]]
            case ["DELETE ", "proxies", name]:
                del self.proxies[name]
        return self.proxies


Asked = Callable[[Toxiproxy], Awaitable[object]]
SQL = {"name": "sql", "upstream": "u:1"}
ASKED: dict[str, tuple[Asked, list[str], list[object]]] = {
    "a toxic on answers": (
        lambda proxy: proxy.spoil("sql", "limit_data", bytes=0),
        ["GET /proxies", "POST /proxies/sql/toxics"],
        [LIMIT := {"type": "limit_data", "name": "limit_data_downstream", "stream": "downstream",
                   "toxicity": 1.0, "attributes": {"bytes": 0}}],
    ),
    "a toxic on requests, under a name": (
        lambda proxy: proxy.spoil("sql", "limit_data", "late", stream="upstream", bytes=0),
        ["GET /proxies", "POST /proxies/sql/toxics"],
        [LIMIT | {"name": "late_upstream", "stream": "upstream"}],
    ),
    "a change": (
        lambda proxy: proxy.change("sql", "late", stream="upstream", latency=7),
        ["POST /proxies/sql/toxics/late_upstream"],
        [{"attributes": {"latency": 7}}],
    ),
    "a cure": (
        lambda proxy: proxy.cure("sql", "late", stream="upstream"),
        ["GET /proxies", "DELETE /proxies/sql/toxics/late_upstream"],
        [],
    ),
    "a cut": (
        lambda proxy: proxy.set_up("sql", up=False),
        ["GET /proxies", "POST /proxies/sql"],
        [{"enabled": False}],
    ),
    "its end": (
        lambda proxy: proxy.set_up("sql", up=True),
        ["GET /proxies", "POST /proxies/sql"],
        [{"enabled": True}],
    ),
    "all healed": (lambda proxy: proxy.heal(), ["POST /reset"], []),
    "a line anew": (
        lambda proxy: proxy.renew("sql"),
        ["DELETE /proxies/sql", "GET /proxies", "GET /proxies", "POST /proxies"],
        [SQL | {"listen": "127.0.0.1:7"}],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
async def test_toxiproxy_is_asked_for_what_is_meant_and_no_more(name: str) -> None:
    do, asked, bodies = ASKED[name]
    pretender, proxy = Keeping(), Toxiproxy()
    async with running(pretender):
        proxy.port = pretender.port
        await proxy.proxy("sql", "u:1", port=7)
        pretender.asked.clear()
        pretender.bodies.clear()

        await do(proxy)

    assert pretender.asked == asked
    assert pretender.bodies == bodies


@pytest.mark.stack("local")
async def test_a_toxic_is_changed_for_connections_that_are_there_and_taken_away_alone() -> None:
    servers = await shared.servers()
    proxy = servers.toxiproxy
    upstream = await asyncio.start_server(_echo, HOST, 0)
    port = upstream.sockets[0].getsockname()[1]
    async with upstream:
        host, _, listens = (await proxy.proxy("echo", f"{HOST}:{port}")).partition(":")
        reader, writer = await asyncio.open_connection(host, int(listens))
        await proxy.spoil("echo", "latency", latency=60_000)
        writer.write(b"held")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(4), 0.2)
        await proxy.change("echo", "latency", latency=0)
        assert await asyncio.wait_for(reader.readexactly(4), 10) == b"held"
        await proxy.spoil("echo", "timeout", stream="upstream", timeout=0)
        await proxy.cure("echo", "latency")
        writer.write(b"lost")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(4), 0.2)
        writer.close()


@pytest.mark.stack("local")
async def test_a_line_under_traffic_is_made_anew_at_once_though_much_is_held_back() -> None:
    """What its toxic holds back is taken by nobody any more: to take it away would take minutes."""
    proxy = (await shared.servers()).toxiproxy
    upstream = await asyncio.start_server(_tell, HOST, 0)
    port = upstream.sockets[0].getsockname()[1]
    async with upstream:
        host, _, listens = (await proxy.proxy("telling", f"{HOST}:{port}")).partition(":")
        held = [await asyncio.open_connection(host, int(listens)) for _ in range(20)]
        for reader, _ in held:
            await asyncio.wait_for(reader.readexactly(100), 10)
        await proxy.spoil("telling", "latency", latency=60_000)
        for reader, _ in held:
            await _until_silent(reader)
        await proxy.renew("telling")
        for reader, writer in held:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await asyncio.wait_for(reader.readexactly(1_000_000), 10)
            writer.close()
        reader, writer = await asyncio.open_connection(host, int(listens))
        await asyncio.wait_for(reader.readexactly(100), 10)
        writer.close()


async def _until_silent(reader: asyncio.StreamReader) -> None:
    with suppress(TimeoutError):
        while True:
            await asyncio.wait_for(reader.read(100), 0.2)


async def _tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while True:
            writer.write(b"told")
            await writer.drain()
            await asyncio.sleep(0.001)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()
