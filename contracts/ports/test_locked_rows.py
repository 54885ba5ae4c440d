"""A row that another transaction has locked holds up only what needs it.

SQLite has one lock for all rows, so only servers can show it. Each test holds a row for as long as
it takes the others to be done: nothing is measured, but that they do not wait for it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import orjson
import pytest
from sqlalchemy import ColumnElement, event, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from contracts.ports.databases import Database
from contracts.ports.work_suite import add_users, user
from system.events import BY_TYPE
from system.kit import locks, logs
from system.kit.adapters.sql.work import SqlWork
from system.kit.adapters.world_real import RealWorld
from system.kit.chains import command_chain
from system.kit.commands import idempotency
from system.kit.commands.batch import PATIENCE_S
from system.kit.commands.group_commit import Commands
from system.kit.delivery import outbox
from system.kit.delivery.failures import Failure
from system.kit.delivery.middleware import Batch, Step
from system.kit.delivery.middleware.bisected import bisected
from system.kit.delivery.middleware.dead_lettered import dead_lettered
from system.kit.delivery.middleware.decoded import decoded
from system.kit.delivery.middleware.handled import Handler, handled
from system.kit.delivery.middleware.inboxed import inboxed
from system.kit.delivery.middleware.retried import retried
from system.kit.delivery.middleware.transactional import WHOLE_TRIES, transactional
from system.kit.delivery.middleware.waits_for_stores import waits_for_stores
from system.kit.delivery.relay import Relay, RelayParts
from system.kit.errors import Refused
from system.kit.events import Cause
from system.kit.http.route import Answer, Request, Route
from system.kit.lifespan import Lifespan
from system.kit.metrics import Metrics
from system.kit.ports.log import Message, Partition, Record
from system.kit.ports.work import Probe, UnitOfWork
from system.kit.steps import chain
from system.orders import api as order_api
from system.orders.handlers import note_reservation
from system.orders.model import NoSuchOrder
from system.orders.store import orders
from system.orders.views import OrdersPage
from system.products import api as product_api
from system.products.handlers import reserve_stock
from system.products.store import products, reservations, stock
from system.users.store import users

pytestmark = pytest.mark.stack("local")

WITHIN_S = 60.0
"""No promise: the bound of a test that would never end."""
MANY = 40
_NOBODY = Cause(UUID(int=0), None, "")
_PAGE = OrdersPage()
_OFFERED = {"name": "Lamp", "price": Decimal("19.90"), "stock": 1000}


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

    def statements(self) -> list[str]:
        """All that the shop asks of the database from now on; it grows."""
        asked: list[str] = []
        engine = self.work.engine.sync_engine
        event.listen(engine, "before_cursor_execute", lambda *about: asked.append(about[2]))
        return asked

    async def somebody_waits(self) -> None:
        """Return as soon as a transaction waits for a lock."""
        async with asyncio.timeout(WITHIN_S):
            while not await self.database.waiting():
                await asyncio.sleep(0.2)  # InnoDB tells nothing new to those who ask more often

    async def unsent(self) -> list[int]:
        async with self.work() as unit:
            return [row.id for row in await outbox.unsent(unit.sql, "product", limit=100)]

    async def events(self) -> int:
        async with self.work() as unit:
            return len((await unit.sql.execute(select(outbox.outbox.c.id))).all())

    async def unsent_are(self, ids: set[int]) -> None:
        """Return as soon as just these rows are left."""
        while set(await self.unsent()) != ids:
            await asyncio.sleep(0.05)

    async def orders(self) -> int:
        async with self.work() as unit:
            return len((await unit.sql.execute(select(orders.c.id))).all())


@pytest.fixture
async def shop(database: Database) -> Shop:
    work = database.work(pool_size=20)
    around = command_chain(work, RealWorld())
    routes = order_api.routes(work, Commands(work, around))
    routes += product_api.routes(work, Commands(work, around))
    made = Shop(
        work,
        database.engine(pool_size=30),
        database,
        {f"{route.method} {route.path}": route for route in routes},
        await add_users(work, user("a@b.example"), user("b@b.example")),
        (),
    )
    answers = [await made.ask("POST /products", _OFFERED) for _ in range(3)]
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
    rows = [Request(_NOBODY, path="/orders", idempotency_key=k).key for k in keys]
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


async def test_which_of_many_locked_rows_is_waited_for_takes_no_statement_for_each(
    shop: Shop,
) -> None:
    """As when two lanes want the same stock: all of it is locked, and the first will do."""
    more = [await shop.ask("POST /products", _OFFERED) for _ in range(20)]
    many = [*shop.products, *(orjson.loads(answer.body)["id"] for answer in more)]
    asked = shop.statements()
    async with shop.locked(products.c.id, *many):
        with pytest.raises(locks.RowLocked, match=f"row {many[0]} of products"):
            async with shop.work() as unit:
                await locks.take(unit, locks.exclusive(products, products.c.id), many)

    assert len(asked) == 3, "wait for all, lock those that are free, ask for the first that is not"


async def test_a_row_that_is_free_again_when_its_lock_is_looked_for_counts_as_locked(
    shop: Shop,
) -> None:
    """A batch then goes on as a whole. `patient` waits for another table here, so that it is in vain."""
    x, y, _ = shop.products
    asleep = locks.exclusive(stock, stock.c.product_id).patient
    lock = replace(locks.exclusive(products, products.c.id), patient=asleep)
    async with shop.locked(stock.c.product_id, x):
        with pytest.raises(locks.RowLocked, match=f"row {x} of products"):
            async with shop.work() as unit:
                await locks.take(unit, lock, [y, x])


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


# Events


@dataclass
class Lane:
    """A lane of the product-consumer, with the real chain around the real handler."""

    step: Step
    letters: list[Record]

    async def __call__(self, records: Sequence[Record]) -> None:
        await asyncio.wait_for(self.step(Batch(tuple(records))), WITHIN_S)


def lane(
    shop: Shop,
    handler: Handler = reserve_stock,
    probe: Probe | None = None,
    whole_tries: int = WHOLE_TRIES,
) -> Lane:
    letters: list[Record] = []

    async def park(record: Record, _: Failure) -> None:
        letters.append(record)

    consumer, lifespan, world = "product-consumer", Lifespan(), RealWorld()
    logger, metrics = logs.logger(consumer), Metrics()
    middlewares = [
        decoded(consumer, park, lifespan=lifespan, world=world, logger=logger, events=BY_TYPE),
        bisected,
        waits_for_stores(lifespan, logger),
        dead_lettered(park),
        retried(
            (0.1,),
            probe or shop.work.writable,
            consumer=consumer,
            lifespan=lifespan,
            world=world,
            metrics=metrics,
            logger=logger,
        ),
        transactional(shop.work, world, whole_tries),
        inboxed(consumer, metrics),
    ]
    return Lane(chain(middlewares, handled(handler)), letters)


async def placed(shop: Shop, *wanted: int) -> list[Record]:
    """Orders of one product each, and their events as a lane gets them: in one partition."""
    ids = [
        orjson.loads(answer.body)["id"]
        for answer in [await shop.place(product) for product in wanted]
    ]
    async with shop.work() as unit:
        created = await emitted(unit, "order.created")
    return [record for record in created if int(record.message.key) in ids]


async def emitted(unit: UnitOfWork, type: str) -> list[Record]:
    """All events of a type, in one partition."""
    rows = select(outbox.outbox).where(outbox.outbox.c.event_type == type)
    messages = [
        outbox.message(row._mapping)
        for row in await unit.sql.execute(rows.order_by(outbox.outbox.c.id))
    ]
    return [Record(message, Partition(type, 0), at, 0) for at, message in enumerate(messages)]


async def reserved(shop: Shop) -> list[int]:
    """The orders whose stock is reserved."""
    async with shop.work() as unit:
        return list(await unit.sql.scalars(select(reservations.c.order_id).order_by(text("1"))))


async def until_reserved(shop: Shop, ids: Collection[int]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while await reserved(shop) != sorted(ids):
            await asyncio.sleep(0.05)


def order_ids(records: Sequence[Record]) -> list[int]:
    return [int(record.message.key) for record in records]


async def test_only_the_events_of_a_locked_row_wait_in_a_batch(shop: Shop) -> None:
    x, y, z = shop.products
    records = await placed(shop, *(x if number in (5, 17) else y for number in range(30)))
    held_up = {5, 17}
    others = [record for number, record in enumerate(records) if number not in held_up]
    behind = await placed(shop, z, y)
    ahead = lane(shop)
    async with shop.locked(stock.c.product_id, x):
        batch = asyncio.create_task(ahead(records))
        await until_reserved(shop, order_ids(others))
        await lane(shop)(behind)  # a lane of another partition
        assert not batch.done()
    await batch
    assert await reserved(shop) == sorted(order_ids([*records, *behind]))
    assert ahead.letters == []


async def test_a_batch_whose_row_is_soon_free_is_done_as_a_whole(shop: Shop) -> None:
    """As when lanes want the same stock on a busy machine: to halve it would be the dearest just then."""
    x, y, _ = shop.products
    records = await placed(shop, *(x if number in (5, 17) else y for number in range(30)))
    asked = shop.statements()
    reserve = lane(shop, whole_tries=1_000_000)  # however long the test takes
    async with shop.locked(stock.c.product_id, x):
        batch = asyncio.create_task(reserve(records))
        async with asyncio.timeout(WITHIN_S):
            while not any("WHERE stock.product_id = %s FOR UPDATE" in each for each in asked):
                await asyncio.sleep(0.01)
    await batch

    assert await reserved(shop) == sorted(order_ids(records))
    told = [statement for statement in asked if statement.startswith("INSERT INTO outbox")]
    assert len(told) == 1, "all thirty in one transaction"


async def test_an_event_whose_table_is_locked_for_long_is_no_dead_letter(shop: Shop) -> None:
    x, *_ = shop.products
    asked = 0

    async def writable() -> None:
        nonlocal asked
        asked += 1
        await shop.work.writable()

    records = await placed(shop, x)
    shop.work = shop.database.work(timeout_s=0.5)
    reserve = lane(shop, probe=writable)
    async with shop.other.connect() as other:
        await other.execute(text("LOCK TABLES stock WRITE"))
        reserving = asyncio.create_task(reserve(records))
        async with asyncio.timeout(WITHIN_S):
            while asked < 4:  # its one retry would be used up
                await asyncio.sleep(0.05)
        assert not reserving.done()
        await other.execute(text("UNLOCK TABLES"))

    await reserving
    assert reserve.letters == []


async def test_a_batch_that_waits_for_a_row_holds_none_that_others_need(shop: Shop) -> None:
    x, y, _ = shop.products
    both = await placed(shop, y, x)
    others = await placed(shop, y)
    async with shop.locked(stock.c.product_id, x):
        batch = asyncio.create_task(lane(shop)(both))
        await until_reserved(shop, order_ids(both[:1]))
        await lane(shop)(others)
        assert not batch.done()
    await batch
    assert len(await reserved(shop)) == 3


@pytest.mark.parametrize("there", [True, False], ids=["there", "not committed yet"])
async def test_an_event_whose_reservation_is_locked_waits_alone(shop: Shop, there: bool) -> None:
    records = await placed(shop, *([shop.products[0]] * 10))
    ids = order_ids(records)
    row = {"order_id": ids[4], "state": "rejected", "version": 1, "lines": b"[]"}
    if there:
        async with shop.work() as unit:
            await unit.sql.execute(insert(reservations).values(row))
    async with shop.other.connect() as connection:
        if there:
            await connection.execute(select(reservations).with_for_update())
        else:
            await connection.execute(insert(reservations).values(row))
        batch = asyncio.create_task(lane(shop)(records))
        await until_reserved(shop, [id for id in ids if there or id != ids[4]])
        assert not batch.done()
        await connection.rollback()
    await batch
    assert await reserved(shop) == ids


async def test_events_of_an_order_that_is_locked_wait_and_their_neighbours_are_noted(
    shop: Shop,
) -> None:
    records = await placed(shop, *([shop.products[0]] * 10))
    ids = order_ids(records)
    await lane(shop)(records)
    async with shop.work() as unit:
        told = await emitted(unit, "stock.reserved")

    async def noted() -> list[int]:
        async with shop.work() as unit:
            seen = select(orders.c.id).where(orders.c.reservation_version > 0)
            return sorted(await unit.sql.scalars(seen))

    async with shop.locked(orders.c.id, ids[3]):
        batch = asyncio.create_task(lane(shop, note_reservation)(told))
        async with asyncio.timeout(WITHIN_S):
            while await noted() != [id for id in ids if id != ids[3]]:
                await asyncio.sleep(0.05)
        assert not batch.done()
    await batch
    assert await noted() == ids


# The outbox


class TakesAll:
    """A log that takes every message, and remembers it."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    async def publish(self, messages: Sequence[Message]) -> Sequence[Exception | None]:
        self.taken += [message.key for message in messages]
        return [None] * len(messages)


async def test_an_outbox_row_that_is_locked_keeps_only_its_own_lane_from_being_marked(
    shop: Shop,
) -> None:
    log = TakesAll()
    parts = RelayParts(
        work=shop.work,
        log=log,  # type: ignore[arg-type]
        world=RealWorld(),
        metrics=Metrics(),
        logger=logs.logger("relay"),
        commits=asyncio.Event(),
    )
    lifespan = Lifespan()
    async with asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
        (locked, *_) = await shop.unsent()
        async with shop.locked(outbox.outbox.c.id, locked):
            tasks.create_task(Relay("product", parts, poll_interval_s=0.05).run(lifespan))
            await shop.unsent_are({locked})
            for _ in range(
                3
            ):  # what comes meanwhile, in other lanes and by transactions of its own
                await shop.ask("POST /products", _OFFERED)
                await shop.unsent_are({locked})
        await shop.unsent_are(set())
        lifespan.stopping.set()
    assert len(log.taken) == await shop.events(), "what was sent is not sent again"
