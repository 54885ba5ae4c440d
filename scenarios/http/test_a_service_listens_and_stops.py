"""An HTTP service: ready once it listens, done once what it has in hand is answered."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from scenarios.http.toy import GRACE_S, Running, Toy, World, app_of, running, until
from system.kit.http.server import CannotListen, HttpService
from system.kit.lifespan import Lifespan
from system.kit.metrics import Metrics


def service(port: int, host: str = "127.0.0.1") -> HttpService:
    app = app_of(Toy(), Lifespan(), Metrics())
    return HttpService("toy-api", app, World(), Metrics(), host=host, port=port)


async def test_it_is_ready_once_it_listens(toy: Running) -> None:
    assert toy.service.port > 0
    assert not toy.lifespan.waited_for
    assert (await toy.ask("GET", "/things/1")).status == 200


async def test_a_port_that_is_taken_is_said_in_one_line(toy: Running) -> None:
    port = toy.service.port
    with pytest.raises(CannotListen) as refused:
        await service(port).run(Lifespan())
    assert str(refused.value) == f"toy-api: port {port} on 127.0.0.1 is taken"


async def test_an_address_that_is_not_ours_is_said_in_one_line() -> None:
    with pytest.raises(CannotListen, match=r"^toy-api: cannot listen on 192\.0\.2\.1, port 0: .+$"):
        await service(0, host="192.0.2.1").run(Lifespan())


async def test_it_answers_what_is_in_hand_before_it_stops() -> None:
    async with running(Toy(hold=asyncio.Event())) as toy:
        answer = asyncio.create_task(toy.ask("GET", "/things/1"))
        await until(lambda: bool(toy.toy.asked))
        toy.lifespan.stopping.set()
        with pytest.raises(aiohttp.ClientConnectionError):
            await until_refused(toy)
        assert not toy.task.done()
        assert toy.toy.hold
        toy.toy.hold.set()
        assert (await answer).status == 200
        await toy.task


async def until_refused(toy: Running) -> None:
    """New connections find nobody, as soon as the service has seen that it must stop."""
    async with asyncio.timeout(60):
        while True:
            await toy.ask("GET", "/healthz")


async def test_it_gives_up_on_what_takes_longer_than_its_grace() -> None:
    async with running(Toy(hold=asyncio.Event())) as toy:
        answer = asyncio.create_task(toy.ask("GET", "/things/1"))
        await until(lambda: bool(toy.toy.asked))
        began = asyncio.get_running_loop().time()
        toy.lifespan.stopping.set()
        await toy.task
        took = asyncio.get_running_loop().time() - began
        with pytest.raises(aiohttp.ClientError):
            await answer
    assert GRACE_S <= took < GRACE_S + 2


async def test_it_does_not_wait_for_idle_connections() -> None:
    async with running() as toy:
        await toy.ask("GET", "/things/1")  # leaves a connection open, for the next request
        began = asyncio.get_running_loop().time()
        toy.lifespan.stopping.set()
        await toy.task
        assert asyncio.get_running_loop().time() - began < GRACE_S
