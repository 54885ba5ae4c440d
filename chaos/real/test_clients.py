"""The recorder: what a client cannot know is info, and what nobody could have seen is a failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest
from aiohttp import web

from chaos.kit.history import History, Outcome
from chaos.real.clients import connected
from scenarios.harness.client import sends_once
from scenarios.harness.servers.common import HOST, free_port


@asynccontextmanager
async def server(answers: web.StreamResponse | None) -> AsyncIterator[str]:
    """A server that answers so, or breaks the connection off when it has read the request."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        if answers is None:
            assert request.transport is not None
            request.transport.abort()
            await asyncio.sleep(1)
            return web.Response()
        return answers

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, free_port())
        await site.start()
        yield site.name
    finally:
        await runner.cleanup()


async def outcome(url: str, method: str = "POST", *, patience_s: float = 5.0) -> Outcome:
    async with sends_once(force_close=True) as session:
        client = connected("one", lambda _: url, session, History(), Random(0))
        op = await client.ask("order-api", method, "/orders", {}, patience_s=patience_s)
        return op.outcome


async def test_an_answer_is_what_it_says() -> None:
    async with server(web.Response(status=201)) as url:
        assert await outcome(url) is Outcome.OK
    async with server(web.Response(status=422)) as url:
        assert await outcome(url) is Outcome.FAIL
    unknown = web.json_response({"type": "/problems/outcome-unknown"}, status=503)
    async with server(unknown) as url:
        assert await outcome(url) is Outcome.INFO
    unavailable = web.json_response({"type": "/problems/unavailable"}, status=503)
    async with server(unavailable) as url:
        assert await outcome(url) is Outcome.FAIL


async def test_what_judges_read_of_an_answer_is_in_the_history() -> None:
    read = {
        "Consistency-Token": "orders/1.self@1",
        "Location": "/orders/1",
        "X-Correlation-Id": "7",
    }
    history = History()
    async with (
        server(web.Response(status=201, headers=read)) as url,
        sends_once(force_close=True) as session,
    ):
        client = connected("one", lambda _: url, session, history, Random(0))
        await client.ask("order-api", "POST", "/orders", {})
    assert [op.headers for op in history.ops] == [read]


async def test_a_connection_that_breaks_tells_nothing() -> None:
    async with server(None) as url:
        assert await outcome(url) is Outcome.INFO
        assert await outcome(url, "GET") is Outcome.FAIL


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_server_that_is_killed_with_a_request_in_hand_may_have_done_it(method: str) -> None:
    """Sent again by itself, the request would meet nobody, and count as certainly not done."""
    requests = 0

    async def die(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n")
        requests += 1
        listening.close()
        writer.close()

    listening = await asyncio.start_server(die, HOST, port := free_port())
    async with listening:
        assert await outcome(f"http://{HOST}:{port}", method) is Outcome.INFO
    assert requests == 1


async def test_nobody_was_asked_where_nobody_listens() -> None:
    assert await outcome(f"http://{HOST}:{free_port()}") is Outcome.FAIL


async def test_an_answer_that_is_not_waited_for_tells_nothing() -> None:
    async with asyncio.timeout(60), silent() as url:
        assert await outcome(url, patience_s=0.05) is Outcome.INFO


async def test_a_request_that_is_broken_off_is_recorded() -> None:
    history = History()
    async with asyncio.timeout(60), silent() as url, sends_once(force_close=True) as session:
        client = connected("one", lambda _: url, session, history, Random(0))
        asking = asyncio.create_task(client.ask("order-api", "POST", "/orders", {}))
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.wait({asking})
    assert [op.outcome for op in history.ops] == [Outcome.INFO]


@asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """A server that takes everything and says nothing."""

    async def listen(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    over = asyncio.Event()
    listening = await asyncio.start_server(listen, HOST, 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield f"http://{HOST}:{port}"
    finally:
        over.set()
        listening.close()
