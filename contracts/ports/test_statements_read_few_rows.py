"""What each statement on a large table reads: the rows that it is about, not those of history.

Counted by the server itself (`Handler_read%`), since a plan that EXPLAIN shows is only what the
optimizer thinks today, and what it thinks follows from statistics that change by themselves.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import (
    ColumnElement,
    String,
    Table,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ports.bindings import untold
from contracts.ports.work_suite import AT, event, user
from scenarios.harness.servers import DATABASES, shared
from system.events import OrderStatus, ReservationState
from system.kit.adapters.sql.work import SqlWork, create_tables, mysql_engine
from system.kit.adapters.world_real import RealWorld
from system.kit.commands import idempotency
from system.kit.delivery import inbox, outbox
from system.kit.delivery.inbox import processed_events
from system.kit.events import Cause
from system.kit.ports.work import UnitOfWork, UnitOfWorkFactory
from system.kit.settings import mysql_url
from system.orders import store as orders_store
from system.products import store as products_store
from system.users import store as users_store

pytestmark = pytest.mark.stack("local")

DOUBLINGS = 17
ROWS = 2**DOUBLINGS
"""Of each table; of the outbox as many that are sent and as many that are not."""
PAGE = 500
CAUSE = Cause(UUID(int=1), None, "")
LANES = tuple(f"user.updated/{number}" for number in range(outbox.LANES))
OLD = AT + timedelta(days=1)

FILL_S = 120.0


@pytest.fixture(scope="module", params=sorted(DATABASES))
async def full(request: pytest.FixtureRequest) -> AsyncIterator[UnitOfWorkFactory]:
    """A database with much in it."""
    sql = await shared.database(request.param)
    async with AsyncExitStack() as closing:
        name = await closing.enter_async_context(sql.server.scratch())
        engine = mysql_engine(mysql_url(sql.server.dsn(None, name)), pool_size=2)
        closing.push_async_callback(engine.dispose)
        await create_tables(engine)
        work = SqlWork(engine, RealWorld(), timeout_s=FILL_S, committed=untold)
        async with work() as unit:
            await _fill(unit)
        yield work


async def _fill(unit: UnitOfWork) -> None:
    row = outbox.row(event(7, 1), CAUSE, AT)
    await unit.sql.execute(insert(outbox.outbox), [row | {"lane": LANES[0]}])
    await _double(unit.sql, outbox.outbox, lane=_spread(LANES))
    columns: list[ColumnElement[Any]] = [
        literal(AT) if name == "processed_at" else outbox.outbox.c[name] for name in row
    ]
    await unit.sql.execute(insert(outbox.outbox).from_select([*row], select(*columns)))
    handled = {"event_id": str(UUID(int=0)), "service_name": "user-consumer", "processed_at": AT}
    await unit.sql.execute(insert(processed_events), [handled])
    await _double(unit.sql, processed_events, event_id=func.uuid())
    await unit.sql.execute(insert(idempotency.commands), [{"id": "0", "created_at": AT}])
    await _double(unit.sql, idempotency.commands, id=func.uuid())
    (user_id,) = await unit.insert(users_store.users, [user("a@example.com")])
    await _double(unit.sql, users_store.users, email=func.uuid())
    times = {"created_at": AT, "updated_at": AT}
    product = {"name": "Lamp", "price": 1, "version": 1, **times}
    await unit.insert(products_store.products, [product])
    await _double(unit.sql, products_store.products)
    stock = products_store.stock
    ids = select(products_store.products.c.id, literal(1), literal(1))
    await unit.sql.execute(insert(stock).from_select(["product_id", "on_hand", "version"], ids))
    order = {
        "user_id": user_id,
        "status": OrderStatus.CREATED.value,
        "paid": False,
        "total_amount": 1,
        "refund_due": False,
        "reservation": ReservationState.PENDING.value,
        "reservation_version": 0,
        "version": 1,
        **times,
    }
    await unit.insert(orders_store.orders, [order])
    await _double(unit.sql, orders_store.orders)
    await unit.insert(orders_store.orders, [order | {"user_id": user_id + 1}] * 3)


async def _double(sql: AsyncConnection, table: Table, **changed: ColumnElement[str]) -> None:
    """Insert a table's rows into itself, again and again; each row with these columns new."""
    names = [column.name for column in table.columns if column.autoincrement is not True]
    columns: list[ColumnElement[Any]] = [changed.get(name, table.c[name]) for name in names]
    again = select(*columns)
    for _ in range(DOUBLINGS):
        await sql.execute(insert(table).from_select(names, again))


def _spread(values: tuple[str, ...]) -> ColumnElement[str]:
    """One of these for each row, by its id."""
    return func.elt(literal_column("id") % len(values) + 1, *values, type_=String())


Ask = Callable[[UnitOfWork], Awaitable[object]]

PAGE_OF_LISTS = 51
STATEMENTS: dict[str, tuple[Ask, int]] = {
    "a page of the relay": (
        lambda unit: outbox.unsent(unit.sql, "user", limit=PAGE),
        PAGE,
    ),
    "a page beside lanes that are blocked": (
        lambda unit: outbox.unsent(unit.sql, "user", limit=PAGE, beside=LANES[:8]),
        PAGE,
    ),
    "an idle look beside a blocked backlog": (
        lambda unit: outbox.unsent(unit.sql, "user", limit=PAGE, beside=LANES),
        0,
    ),
    "the lowest row of a lane": (
        lambda unit: outbox.unsent_in(unit.sql, "user", LANES[5], limit=1),
        1,
    ),
    "the mark of a page": (
        lambda unit: outbox.mark_published(unit.sql, range(1, PAGE + 1), AT),
        2 * PAGE,  # which of them nobody has locked, and then those
    ),
    "the backlog, which is counted, but not what was sent": (
        lambda unit: outbox.backlog(unit.sql, "user"),
        ROWS,
    ),
    "sent events that nobody needs any more": (
        lambda unit: outbox.purge(unit.sql, "user", OLD, PAGE),
        2 * PAGE,
    ),
    "sent events, of which none is old": (
        lambda unit: outbox.purge(unit.sql, "user", AT, PAGE),
        0,
    ),
    "which events were handled": (
        lambda unit: inbox.known(unit.sql, "user-consumer", [UUID(int=n) for n in range(PAGE)]),
        PAGE,
    ),
    "handled events that nobody needs any more": (
        lambda unit: inbox.purge(unit.sql, "user-consumer", OLD, PAGE),
        2 * PAGE,
    ),
    "answers that nobody needs any more": (
        lambda unit: idempotency.purge(unit.sql, OLD, PAGE),
        2 * PAGE,
    ),
    "a page of users": (
        lambda unit: users_store.page(unit, after=ROWS // 2, limit=PAGE_OF_LISTS),
        PAGE_OF_LISTS,
    ),
    "a page of products": (
        lambda unit: products_store.page(unit, after=ROWS // 2, limit=PAGE_OF_LISTS),
        2 * PAGE_OF_LISTS,
    ),
    "a page of orders": (
        lambda unit: orders_store.page(
            unit, after=ROWS // 2, limit=PAGE_OF_LISTS, status=None, user_id=None
        ),
        2 * PAGE_OF_LISTS,
    ),
    "a page of orders of a status": (
        lambda unit: orders_store.page(
            unit, after=ROWS // 2, limit=PAGE_OF_LISTS, status=OrderStatus.CREATED, user_id=None
        ),
        2 * PAGE_OF_LISTS,
    ),
    "a page of orders of a status that none has": (
        lambda unit: orders_store.page(
            unit, after=0, limit=PAGE_OF_LISTS, status=OrderStatus.PAID, user_id=None
        ),
        0,
    ),
    "a page of one user's orders of a status": (
        lambda unit: orders_store.page(
            unit, after=0, limit=PAGE_OF_LISTS, status=OrderStatus.CREATED, user_id=2
        ),
        2 * PAGE_OF_LISTS,
    ),
}
BESIDE = 60
"""What the server reads besides: the ends of ranges, tables of its own."""


@pytest.mark.parametrize("name", STATEMENTS)
@pytest.mark.parametrize("analyzed", [False, True], ids=["as it is", "with new statistics"])
async def test_a_statement_reads_what_it_is_about(
    full: UnitOfWorkFactory, name: str, analyzed: bool
) -> None:
    ask, rows = STATEMENTS[name]
    async with full() as unit:
        if analyzed:
            for table in ("outbox", "processed_events", "commands", "users", "products", "orders"):
                await unit.sql.execute(text(f"ANALYZE TABLE {table}"))
        before = await _rows_read(unit.sql)
        await ask(unit)
        read = await _rows_read(unit.sql) - before
        await unit.sql.rollback()
    assert read <= rows + BESIDE


async def _rows_read(sql: AsyncConnection) -> int:
    shown = await sql.execute(text("SHOW SESSION STATUS LIKE 'Handler_read%'"))
    return sum(int(value) for _, value in shown)
