"""POST /orders without the guarantees: `python -m load.limits.orders HOW`.

`nostore` parses the body and answers. `transaction` runs the statements of an order in a
transaction for each request; `shared` lets the requests that wait share the next one.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiomysql
import orjson
from aiohttp import web

from system.kit.settings import mysql_url

HOW = ("nostore", "transaction", "shared")
MEMBERS_MAX = 100
POOL = 20
TIME = "2026-01-31T08:00:00.000000Z"

USERS = "SELECT id, name, version FROM users WHERE id IN ({})"
PRODUCTS = "SELECT id, name, version, price FROM products WHERE id IN ({})"
ORDERS = (
    "INSERT INTO orders (user_id, status, paid, total_amount, refund_due, reservation,"
    " reservation_version, version, created_at, updated_at) VALUES "
)
ORDER = "({}, 'CREATED', 0, {}, 0, 'pending', 0, 1, '2026-01-31 08:00:00', '2026-01-31 08:00:00')"
LINES = "INSERT INTO order_products (order_id, line, product_id, quantity, unit_price) VALUES "
LINE = "({}, 0, {}, {}, {})"
OUTBOX = (
    "INSERT INTO outbox (aggregate, lane, event_type, message_key, payload, headers, created_at)"
    " VALUES "
)
ROW = "('order', 'order.created/0', 'order.created', '{}', x'{}', x'{}', '2026-01-31 08:00:00')"
HEADERS = orjson.dumps(
    {
        "event-type": "order.created",
        "schema-version": "1",
        "correlation-id": "00000000-0000-4000-8000-000000000000",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
).hex()

Body = dict[str, Any]  # JSON as it came


class Orders:
    """The handler of one way to do it."""

    def __init__(self, how: str) -> None:
        self._how = how
        self._pool: aiomysql.Pool | None = None
        self._waiting: list[tuple[Body, asyncio.Future[int]]] = []
        self._flush: asyncio.Task[None] | None = None

    async def opened(self, _: web.Application) -> AsyncIterator[None]:
        if self._how != "nostore":
            url = mysql_url(os.environ["MYSQL_DSN"])
            self._pool = await aiomysql.create_pool(
                host=url.host,
                port=url.port,
                user=url.username,
                password=str(url.password or ""),
                db=url.database,
                maxsize=POOL,
                init_command="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            )
        yield
        if self._pool is not None:
            self._pool.terminate()
            await self._pool.wait_closed()

    async def place(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        match self._how:
            case "nostore":
                id = 1
            case "transaction":
                (id,) = await self._placed([body])
            case _:
                id = await self._shared(body)
        return web.Response(
            status=201, body=answer(id, body), headers={"Content-Type": "application/json"}
        )

    async def _shared(self, body: Body) -> int:
        waits: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((body, waits))
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._flush_all())
        return await waits

    async def _flush_all(self) -> None:
        while self._waiting:
            members = self._waiting[:MEMBERS_MAX]
            del self._waiting[:MEMBERS_MAX]
            ids = await self._placed([body for body, _ in members])
            for id, (_, waits) in zip(ids, members, strict=True):
                waits.set_result(id)

    async def _placed(self, bodies: Sequence[Body]) -> Sequence[int]:
        """The statements of these orders, in one transaction."""
        assert self._pool is not None
        async with self._pool.acquire() as connection, connection.cursor() as cursor:
            users = {body["user_id"] for body in bodies}
            products = {body["items"][0]["product_id"] for body in bodies}
            await cursor.execute(USERS.format(",".join(map(str, users))))
            await cursor.fetchall()
            await cursor.execute(PRODUCTS.format(",".join(map(str, products))))
            await cursor.fetchall()
            await cursor.execute(
                ORDERS + ",".join(ORDER.format(body["user_id"], 1999) for body in bodies)
            )
            first = cursor.lastrowid
            ids = range(first, first + len(bodies))
            lines = (
                LINE.format(id, item["product_id"], item["quantity"], 1999)
                for id, body in zip(ids, bodies, strict=True)
                for item in body["items"]
            )
            await cursor.execute(LINES + ",".join(lines))
            rows = (
                ROW.format(id, answer(id, body).hex(), HEADERS)
                for id, body in zip(ids, bodies, strict=True)
            )
            await cursor.execute(OUTBOX + ",".join(rows))
            await connection.commit()
        return ids


def answer(id: int, body: Body) -> bytes:
    """The order, as the system answers it."""
    return orjson.dumps(
        {
            "id": id,
            "user_id": body["user_id"],
            "status": "CREATED",
            "paid": False,
            "reservation": "pending",
            "items": [
                {
                    "product_id": item["product_id"],
                    "quantity": item["quantity"],
                    "unit_price": 19.99,
                }
                for item in body["items"]
            ],
            "total_amount": 19.99,
            "payment_method": None,
            "cancel_reason": None,
            "refund_due": False,
            "created_at": TIME,
            "updated_at": TIME,
        }
    )


async def ready(_: web.Request) -> web.Response:
    return web.Response(text="ready")


def main(how: str) -> None:
    """Serve it at PORT until SIGTERM."""
    orders = Orders(how)
    app = web.Application()
    app.router.add_post("/orders", orders.place)
    app.router.add_get("/readyz", ready)
    app.cleanup_ctx.append(orders.opened)
    web.run_app(
        app, host="127.0.0.1", port=int(os.environ["PORT"]), access_log=None, print=lambda *_: None
    )


if __name__ == "__main__":
    main(sys.argv[1])
