"""Eight processes on servers that hold nothing yet: they come up together, and the system works."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from scenarios.harness.servers import LocalServers, NotStarted
from scenarios.harness.servers.roles import one_has_ended, roles

pytestmark = pytest.mark.stack("local")


@pytest.fixture
async def empty_servers() -> AsyncIterator[LocalServers]:
    """Servers that nobody else uses."""
    async with LocalServers() as servers:
        yield servers


async def post(http: aiohttp.ClientSession, url: str, body: object) -> tuple[Any, str]:
    """What was made, and the token by which the query side knows of it."""
    async with http.post(url, json=body) as answer:
        assert answer.status == 201, await answer.text()
        return await answer.json(), answer.headers["Consistency-Token"]


async def test_started_at_once_on_empty_servers_they_come_up_and_an_order_is_seen(
    empty_servers: LocalServers,
) -> None:
    async with (
        roles(empty_servers.environment(), free_ports=True) as processes,
        aiohttp.ClientSession() as http,
    ):
        url = {name: process.url for name, process in processes.items()}
        user, _ = await post(
            http, f"{url['user-api']}/users", {"name": "Ada", "email": "ada@example.com"}
        )
        lamp, _ = await post(
            http, f"{url['product-api']}/products", {"name": "Lamp", "price": 19.9, "stock": 3}
        )
        lines = [{"product_id": lamp["id"], "quantity": 2}]
        order, token = await post(
            http, f"{url['order-api']}/orders", {"user_id": user["id"], "items": lines}
        )

        seen = f"{url['query-api']}/orders/{order['id']}"
        async with http.get(seen, headers={"Consistency-Token": token}) as answer:
            assert answer.status == 200, await answer.text()
            assert (await answer.json())["user_name"] == "Ada"

        watching = asyncio.create_task(one_has_ended(processes.values()))
        await processes["order-consumer"].kill()
        with pytest.raises(NotStarted, match="order-consumer has ended"):
            await asyncio.wait_for(watching, 60)
