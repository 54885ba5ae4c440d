"""A row that another transaction has locked holds up only what needs it.

SQLite has one lock for all rows, so only servers can show it. Each test holds a row for as long as
it takes the others to be done: nothing is measured, but that they do not wait for it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import orjson
import pytest
from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.ports.databases import Database
from contracts.ports.work_suite import add_users, user
from system.adapters.work_sql import SqlWork
from system.adapters.world_real import RealWorld
from system.events import Cause
from system.orders import api as order_api
from system.orders.model import NoSuchOrder
from system.orders.store import orders
from system.orders.views import OrdersPage
from system.products import api as product_api
from system.products.store import products, stock
from system.users.store import users
from system.web import idempotency
from system.web.commands import PATIENCE_S, Commands
from system.web.problems import Refused
from system.web.route import Answer, Request, Route

pytestmark = pytest.mark.stack("local")

WITHIN_S = 60.0
"""No promise: the bound of a test that would never end."""
MANY = 40
_NOBODY = Cause(UUID(int=0), None, "")
_PAGE = OrdersPage()


@dataclass
class Shop:
    """The APIs of orders and products on one database, and somebody else who locks its rows."""

    work: SqlWork
    other: AsyncEngine
    database: Database
    routes: dict[str, Route]
    users: Sequence[int]
    products: Sequence[int]

    async def ask(self, call: str, body: Any = None, **request: Any) -> Answer:
        route = self.routes[call]
        asked = Request(
            Cause(UUID(int=random.getrandbits(128)), None, ""),
            body=route.body.model_validate(body) if route.body else None,
            raw_body=repr(body).encode(),
            path=route.path,
            **request,
        )
        answer: Answer = await asyncio.wait_for(route.run(asked), WITHIN_S)
        return answer

    def place(
        self, *wanted: int, user: int | None = None, key: str | None = None
    ) -> asyncio.Task[Answer]:
        """Place an order of some products, one of each."""
        body = {
            "user_id": user or self.users[0],
            "items": [{"product_id": product, "quantity": 1} for product in wanted],
        }
        return asyncio.create_task(self.ask("POST /orders", body, idempotency_key=key))

    @asynccontextmanager
    async def locked(self, key: ColumnElement[Any], *ids: int) -> AsyncIterator[None]:
        """These rows locked by somebody else, until this is left."""
        async with self.other.connect() as connection:
            await connection.execute(select(key).where(key.in_(ids)).with_for_update())
            try:
                yield
            finally:
                await connection.rollback()

    async def somebody_waits(self) -> None:
        """Return as soon as a transaction waits for a lock."""
        async with asyncio.timeout(WITHIN_S):
            while not await self.database.waiting():
                await asyncio.sleep(0.2)  # InnoDB tells nothing new to those who ask more often

    async def orders(self) -> int:
        async with self.work() as unit:
            return len((await unit.sql.execute(select(orders.c.id))).all())


@pytest.fixture
async def shop(database: Database) -> Shop:
    work = database.work(pool_size=20)
    commands = Commands(work, RealWorld())
    routes = order_api.routes(work, commands)
    routes += product_api.routes(work, Commands(work, RealWorld()))
    offered = {"name": "Lamp", "price": Decimal("19.90"), "stock": 1000}
    made = Shop(
        work,
        database.engine(pool_size=30),
        database,
        {f"{route.method} {route.path}": route for route in routes},
        await add_users(work, user("a@b.example"), user("b@b.example")),
        (),
    )
    answers = [await made.ask("POST /products", offered) for _ in range(3)]
    made.products = [orjson.loads(answer.body)["id"] for answer in answers]
    return made


def created(answers: Sequence[Answer]) -> bool:
    return [answer.status for answer in answers] == [201] * len(answers)


# Orders


@pytest.mark.parametrize("row", ["product", "user"])
async def test_orders_that_need_a_locked_row_keep_no_other_order_waiting(
    shop: Shop, row: Literal["product", "user"]
) -> None:
    x, y = (shop.products if row == "product" else shop.users)[:2]

    def place(id: int) -> asyncio.Task[Answer]:
        if row == "product":
            return shop.place(id)
        return shop.place(shop.products[0], user=id)

    async with shop.locked(products.c.id if row == "product" else users.c.id, x):
        held_up = [place(x) for _ in range(5)]
        assert created(await asyncio.gather(*(place(y) for _ in range(MANY))))
        assert not any(order.done() for order in held_up)
        assert created(await asyncio.gather(*(place(y) for _ in range(MANY))))

    assert created(await asyncio.gather(*held_up))


async def test_an_order_of_two_locked_products_waits_for_both(shop: Shop) -> None:
    x, y, z = shop.products
    async with shop.locked(products.c.id, x):
        async with shop.locked(products.c.id, y):
            held_up = shop.place(x, y, z)
            assert created([await shop.place(z)])
        assert created(await asyncio.gather(shop.place(y), shop.place(z)))
        assert not held_up.done()
    assert created([await held_up])


async def test_a_lock_that_is_held_past_the_deadline_refuses_those_that_need_it(
    shop: Shop,
) -> None:
    x, y, _ = shop.products
    async with shop.locked(products.c.id, x):
        held_up = [shop.place(x, key=f"key {number}") for number in range(5)]
        done = 0
        while not all(order.done() for order in held_up):
            assert created([await shop.place(y)])
            done += 1
        refusals = await asyncio.gather(*held_up, return_exceptions=True)
        assert {getattr(refused, "name", refused) for refused in refusals} == {"unavailable"}
    assert await shop.orders() == done
    assert created([await shop.place(x, key="key 0")])  # its key was let go


async def test_a_free_key_never_waits_behind_held_ones(shop: Shop) -> None:
    x, *_ = shop.products
    keys = [f"held {number}" for number in range(20)]
    rows = [idempotency.key_id(Request(_NOBODY, path="/orders", idempotency_key=k)) for k in keys]
    async with shop.other.connect() as connection:
        await connection.execute(
            insert(idempotency.commands),
            [{"id": row, "created_at": RealWorld().now()} for row in rows],
        )
        held_up = [shop.place(x, key=key) for key in keys]
        free = [shop.place(x, key=f"free {number}") for number in range(20)]
        assert created(await asyncio.gather(*free, shop.place(x)))
        assert not any(order.done() for order in held_up)
        refusals = await asyncio.gather(*held_up, return_exceptions=True)
        assert {getattr(refused, "name", refused) for refused in refusals} == {
            "request-in-progress"
        }
        await connection.rollback()
    assert created(await asyncio.gather(*(shop.place(x, key=key) for key in keys)))


async def test_no_wait_goes_past_its_requests_deadline(shop: Shop) -> None:
    x, *_ = shop.products
    loop = asyncio.get_running_loop()
    async with shop.locked(products.c.id, x):
        body = {"user_id": shop.users[0], "items": [{"product_id": x, "quantity": 1}]}
        began = loop.time()
        with pytest.raises(Refused, match="unavailable"):
            await shop.ask("POST /orders", body, deadline=began + 1.0)
        assert loop.time() - began < PATIENCE_S


# Products


async def test_a_put_of_stock_holds_no_product_while_it_waits_for_the_stock(shop: Shop) -> None:
    x, *_ = shop.products
    async with shop.locked(stock.c.product_id, x):
        put = asyncio.create_task(shop.ask("PUT /products/{id}", {"stock": 5}, id=x))
        await shop.somebody_waits()
        assert created(await asyncio.gather(*(shop.place(x) for _ in range(MANY))))
        assert not put.done()
    assert (await put).status == 200


@pytest.mark.parametrize("call", ["PUT /products/{id}", "DELETE /products/{id}"])
async def test_whoever_waits_for_a_product_holds_no_stock_meanwhile(shop: Shop, call: str) -> None:
    x, *_ = shop.products
    async with shop.locked(products.c.id, x):
        waiting = asyncio.create_task(shop.ask(call, {"stock": 5}, id=x))
        await shop.somebody_waits()
        for _ in range(20):
            async with shop.work() as unit:
                free = select(stock).where(stock.c.product_id == x).with_for_update()
                await unit.sql.execute(free)
        assert not waiting.done()
    assert (await waiting).status in (200, 204)


async def test_many_that_wait_for_one_row_leave_connections_for_the_others(shop: Shop) -> None:
    x, y, _ = shop.products
    async with shop.locked(products.c.id, x):
        held_up = [
            asyncio.create_task(shop.ask("PUT /products/{id}", {"name": f"{number}"}, id=x))
            for number in range(100)
        ]
        await shop.somebody_waits()
        for price in range(1, 11):
            assert (await shop.ask("PUT /products/{id}", {"price": price}, id=y)).status == 200
        assert not any(put.done() for put in held_up)
    await asyncio.gather(*held_up, return_exceptions=True)


# What is read was once true


async def test_an_order_that_is_deleted_while_it_is_read_never_lacks_its_items(
    shop: Shop,
) -> None:
    x, y, z = shop.products
    deleted = asyncio.Event()

    async def read() -> None:
        while not deleted.is_set():
            page = orjson.loads((await shop.ask("GET /orders", query=_PAGE)).body)["orders"]
            assert all(order["items"] for order in page)
            for order in page[:3]:
                try:
                    one = await shop.ask("GET /orders/{id}", id=order["id"])
                except NoSuchOrder:
                    continue
                assert orjson.loads(one.body)["items"]

    readers = [asyncio.create_task(read()) for _ in range(4)]
    for _ in range(5):
        answers = await asyncio.gather(*(shop.place(x, y, z) for _ in range(20)))
        ids = [orjson.loads(answer.body)["id"] for answer in answers]
        for id in ids:
            assert (await shop.ask("DELETE /orders/{id}", id=id)).status == 204
    deleted.set()
    await asyncio.gather(*readers)
