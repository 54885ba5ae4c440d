"""The orders' tables. No decision is made here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Row,
    String,
    Table,
    bindparam,
    column,
    delete,
    insert,
    select,
    table,
    update,
)

from system.events import Name, OrderItem, OrderStatus, ReservationState
from system.kit import locks
from system.kit.columns import TABLE_OPTIONS, Cents, Id, Timestamp, ascii_key, metadata
from system.kit.errors import Conflict, ReferenceViolation
from system.kit.locks import Place
from system.kit.ports.work import UnitOfWork
from system.kit.statements import among, row_of, update_alike
from system.kit.turns import in_turns
from system.orders.model import Draft, Offer, Order, begun

orders = Table(
    "orders",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("status", ascii_key(20), nullable=False),
    Column("paid", Boolean, nullable=False),
    Column("total_amount", Cents, nullable=False),
    Column("payment_method", String(50)),
    Column("cancel_reason", String(500)),
    Column("refund_due", Boolean, nullable=False),
    Column("reservation", ascii_key(20), nullable=False),
    Column("reservation_version", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    Index("orders_of_user", "user_id", "id"),
    Index("orders_by_status", "status", "id"),
    **TABLE_OPTIONS,
)

order_products = Table(
    "order_products",
    metadata,
    Column("order_id", Id, ForeignKey("orders.id"), primary_key=True, autoincrement=False),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("product_id", Id, ForeignKey("products.id"), nullable=False, index=True),
    Column("quantity", Integer, nullable=False),
    Column("unit_price", Cents, nullable=False),
    **TABLE_OPTIONS,
)

# What orders read of other domains, whose code they do not know.
_users = table("users", column("id", Id), column("name"), column("version"))
_products = table(
    "products", column("id", Id), column("name"), column("version"), column("price", Cents)
)


# They stay as they are until the order is there: its foreign keys lock them in any case.
_USERS = locks.shared(_users, _users.c.id)
_OFFERS = locks.shared(_products, _products.c.id)
_INSERT_ITEMS = insert(order_products)
# An order and its items in one statement: a DELETE between two would leave an order without any.
_FIND = (
    select(orders, order_products)
    .join_from(orders, order_products)
    .where(orders.c.id == bindparam("id"))
    .order_by(order_products.c.line)
)
_LOCK = locks.exclusive(orders, orders.c.id)
_ITEMS = (
    select(order_products)
    .where(among(order_products.c.order_id))
    .order_by(order_products.c.order_id, order_products.c.line)
)
_SAVE = update(orders).where(among(orders.c.id))
_COLUMNS = tuple(column.name for column in orders.c)
_INSERTED = _COLUMNS[1:]
"""All but the id."""
_NOTES = ("reservation", "reservation_version")
_FIXED = ("id", "user_id", "total_amount", "created_at")
_CHANGING = tuple(name for name in _COLUMNS if name not in _FIXED)


async def names_of_users(
    unit: UnitOfWork, ids: Collection[int]
) -> tuple[dict[int, Name], dict[int, Place]]:
    """The names of these users; and the users that are locked by others. It waits for none."""
    rows, locked = await locks.take_free(unit, _USERS, ids)
    names = {row.id: Name(id=row.id, name=row.name, version=row.version) for row in rows}
    return names, {int(place.id): place for place in locked}


async def offers(
    unit: UnitOfWork, ids: Collection[int]
) -> tuple[dict[int, Offer], dict[int, Place]]:
    """What these products cost; and those that are locked by others. It waits for none."""
    rows, locked = await locks.take_free(unit, _OFFERS, ids)
    offered = {
        row.id: Offer(Name(id=row.id, name=row.name, version=row.version), row.price)
        for row in rows
    }
    return offered, {int(place.id): place for place in locked}


async def insert_drafts(unit: UnitOfWork, drafts: Sequence[Draft]) -> Sequence[int]:
    """Insert new orders; their ids, in the order of the drafts.

    Raises Conflict when a user or product has gone since it was looked up: look again.
    """
    try:
        return await _insert_drafts(unit, drafts)
    except ReferenceViolation as gone:
        raise Conflict("a user or product was removed just now") from gone


async def _insert_drafts(unit: UnitOfWork, drafts: Sequence[Draft]) -> Sequence[int]:
    ids = await unit.insert(
        orders,
        [row_of(begun(0, draft, unit.now), _INSERTED) for draft in drafts],
    )
    await unit.sql.execute(
        _INSERT_ITEMS,
        [
            {
                "order_id": id,
                "line": number,
                "product_id": item.product_id,
                "quantity": item.quantity,
                "unit_price": item.unit_price,
            }
            for id, draft in zip(ids, drafts, strict=True)
            for number, item in enumerate(draft.items)
        ],
    )
    return ids


async def find(unit: UnitOfWork, id: int) -> Order | None:
    return next(_whole(await unit.sql.execute(_FIND, {"id": id})), None)


async def lock(unit: UnitOfWork, ids: Collection[int]) -> dict[int, Order]:
    """Lock these orders, in the order of their ids; those that are gone are left out."""
    rows = await locks.take(unit, _LOCK, ids)
    items = await _items(unit, [row.id for row in rows])  # which stay: their orders are locked
    return {row.id: _order(row, items[row.id]) for row in rows}


async def page(
    unit: UnitOfWork,
    *,
    after: int,
    limit: int,
    status: OrderStatus | None,
    user_id: int | None,
) -> list[Order]:
    statement = select(orders).where(orders.c.id > after).order_by(orders.c.id).limit(limit)
    if status is not None:
        statement = statement.where(orders.c.status == status.value)
    if user_id is not None:
        statement = statement.where(orders.c.user_id == user_id)
    some = statement.subquery("page")
    whole = (
        select(some, order_products)
        .join_from(order_products, some, order_products.c.order_id == some.c.id)
        .order_by(some.c.id, order_products.c.line)
    )
    return [order async for order in in_turns(_whole(await unit.sql.execute(whole)))]


async def save(unit: UnitOfWork, changed: Iterable[Order]) -> None:
    rows = {order.id: row_of(order, _CHANGING) for order in changed}
    await update_alike(unit.sql, _SAVE, rows)


async def save_notes(unit: UnitOfWork, noted: Iterable[Order]) -> None:
    """Save what orders know of their reservations, and nothing else of them.

    Most know the same, where times and methods of payment would tell them apart.
    """
    rows = {order.id: row_of(order, _NOTES) for order in noted}
    await update_alike(unit.sql, _SAVE, rows)


async def remove(unit: UnitOfWork, id: int) -> None:
    await unit.sql.execute(delete(order_products).where(order_products.c.order_id == id))
    await unit.sql.execute(delete(orders).where(orders.c.id == id))


def _whole(rows: Iterable[Row[Any]]) -> Iterator[Order]:
    """Orders of rows that hold one item each, beside its order."""
    for _, of_one in groupby(rows, key=attrgetter("id")):
        lines = list(of_one)
        yield _order(lines[0], map(_item, lines))


async def _items(unit: UnitOfWork, ids: Collection[int]) -> dict[int, list[OrderItem]]:
    items: dict[int, list[OrderItem]] = {id: [] for id in ids}
    if items:
        for row in await unit.sql.execute(_ITEMS, {"ids": list(items)}):
            items[row.order_id].append(_item(row))
    return items


def _item(row: Row[Any]) -> OrderItem:
    return OrderItem(product_id=row.product_id, quantity=row.quantity, unit_price=row.unit_price)


def _order(row: Row[Any], items: Iterable[OrderItem]) -> Order:
    fields = {name: getattr(row, name) for name in _COLUMNS}
    fields["status"] = OrderStatus(row.status)
    fields["reservation"] = ReservationState(row.reservation)
    return Order(**fields, items=tuple(items))
