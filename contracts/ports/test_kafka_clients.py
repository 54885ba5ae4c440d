"""A client of Kafka that is started when it is needed; no server is."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from system.adapters.kafka_clients import Kept, close_consumer
from system.ports.errors import Unavailable


class Client:
    def __init__(self, fails: bool = False) -> None:
        self.starts = 0
        self.closed = False
        self.fails = fails
        self.may_start = asyncio.Event()

    async def start(self) -> None:
        self.starts += 1
        await self.may_start.wait()
        if self.fails:
            raise OSError("nobody there")


async def close(client: Client) -> None:
    client.closed = True


async def test_whoever_asks_at_once_shares_one_start() -> None:
    client = Client()
    kept = Kept(lambda: client, close)
    asking = [asyncio.create_task(kept.get()) for _ in range(3)]
    await asyncio.sleep(0)
    client.may_start.set()

    assert await asyncio.gather(*asking) == [client] * 3
    assert client.starts == 1
    await kept.close()
    assert client.closed


async def test_a_discarded_client_is_closed_and_another_one_made() -> None:
    clients = [Client(), Client()]
    for client in clients:
        client.may_start.set()
    made = iter(clients)
    kept = Kept(lambda: next(made), close)

    kept.discard(await kept.get())
    assert await kept.get() is clients[1]
    kept.discard(clients[0])  # a second time changes nothing

    assert await kept.get() is clients[1]
    assert [client.closed for client in clients] == [True, False]
    await kept.close()
    assert [client.closed for client in clients] == [True, True]


async def test_a_failed_start_fails_all_who_asked_and_the_next_one_tries_again() -> None:
    clients = [Client(fails=True), Client()]
    for client in clients:
        client.may_start.set()
    made = iter(clients)
    kept = Kept(lambda: next(made), close)

    failures = await asyncio.gather(kept.get(), kept.get(), return_exceptions=True)

    assert [type(failure) for failure in failures] == [Unavailable] * 2
    assert await kept.get() is clients[1]
    await kept.close()
    assert clients[0].closed


async def test_a_start_that_fails_when_nobody_waits_any_more_is_no_complaint() -> None:
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    client = Client(fails=True)
    kept = Kept(lambda: client, close)
    asking = asyncio.create_task(kept.get())
    await asyncio.sleep(0)

    asking.cancel()
    await asyncio.wait([asking])
    await asyncio.sleep(0)  # now nobody listens to the start any more
    client.may_start.set()
    while client.starts and not client.closed:
        await asyncio.sleep(0)
    gc.collect()
    loop.set_exception_handler(None)

    assert complaints == []


async def test_a_cancellation_that_escapes_from_a_client_is_not_taken_for_ours() -> None:
    class Careless:
        _coordinator = None
        _fetcher = None

        class _client:  # noqa: N801 (a consumer's own client)
            _md_update_fut = None

            @staticmethod
            async def close() -> None:
                """Nothing is open."""

        async def stop(self) -> None:
            raise asyncio.CancelledError

    await close_consumer(Careless())


@pytest.mark.parametrize("asked", [False, True])
async def test_closing_ends_what_is_starting(asked: bool) -> None:
    client = Client()
    kept = Kept(lambda: client, close)
    asking = [asyncio.create_task(kept.get())] if asked else []
    await asyncio.sleep(0)
    client.may_start.set()

    await kept.close()

    assert client.closed is asked
    assert await asyncio.gather(*asking) == [client] * len(asking)
