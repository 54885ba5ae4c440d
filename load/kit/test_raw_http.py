"""The generator asks again and again over kept connections, and takes no answer for another."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from load.kit.raw_http import UnexpectedAnswer, closed_loop, post


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A service that makes what it is asked for, and refuses what is empty."""

    async def make(request: web.Request) -> web.Response:
        body = await request.read()
        return web.Response(status=201 if body else 422, body=body * 1000)

    app = web.Application()
    app.router.add_post("/things", make)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield runner.addresses[0][1]
    await runner.cleanup()


async def test_every_connection_asks_again_until_the_time_is_over(port: int) -> None:
    load = await closed_loop(port, [post("/things", b"{}")] * 4, 0.2)

    assert len(load.took_s) > 4
    assert load.within_s >= 0.2
    assert 0 < load.percentile(50) <= load.percentile(99)


async def test_an_answer_in_many_pieces_is_one_answer(port: int) -> None:
    load = await closed_loop(port, [post("/things", b"x" * 1000)], 0.05)
    assert load.took_s


async def test_an_unexpected_answer_ends_it(port: int) -> None:
    with pytest.raises(UnexpectedAnswer, match="422"):
        await closed_loop(port, [post("/things", b"")], 0.2)


async def test_nobody_there_ends_it() -> None:
    with pytest.raises(OSError, match="Connect call failed"):
        await closed_loop(1, [post("/things", b"{}")], 0.2)
