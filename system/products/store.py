"""The tables of products, stock and reservations. No decision is made here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    Row,
    String,
    Table,
    bindparam,
    delete,
    select,
    update,
)
from sqlalchemy import insert as insert_into

from system.events import ReservationState
from system.kit import locks
from system.kit.columns import TABLE_OPTIONS, Bytes, Cents, Id, Timestamp, ascii_key, metadata
from system.kit.errors import ReferenceViolation
from system.kit.ports.work import UnitOfWork
from system.kit.statements import among, row_of, update_alike
from system.kit.values import dumps, loads
from system.products.model import (
    Offered,
    OfferProduct,
    Product,
    ProductIsOrdered,
    Reservation,
    Stock,
    begun,
)

products = Table(
    "products",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("name", String(255), nullable=False),
    Column("price", Cents, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Timestamp, nullable=False),
    Column("updated_at", Timestamp, nullable=False),
    **TABLE_OPTIONS,
)

stock = Table(
    "stock",
    metadata,
    Column("product_id", Id, ForeignKey("products.id"), primary_key=True, autoincrement=False),
    Column("on_hand", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    **TABLE_OPTIONS,
)

reservations = Table(
    "reservations",
    metadata,
    # no foreign key: a reservation outlives its order, and may come before this reader sees it
    Column("order_id", Id, primary_key=True, autoincrement=False),
    Column("state", ascii_key(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("lines", Bytes, nullable=False),
    **TABLE_OPTIONS,
)

_OFFERED = select(products, stock.c.on_hand, stock.c.version.label("stock_version")).join_from(
    products, stock
)
_INSERTED = ("name", "price", "version", "created_at", "updated_at")
_CHANGING = ("name", "price", "version", "updated_at")
_FIND = _OFFERED.where(products.c.id == bindparam("id"))
_LOCK = locks.exclusive(products, products.c.id)
_LOCK_STOCK = locks.exclusive(stock, stock.c.product_id)
_LOCK_RESERVATIONS = locks.exclusive(reservations, reservations.c.order_id)
_INSERT_RESERVATIONS = insert_into(reservations)
_SAVE_RESERVATIONS = update(reservations).where(among(reservations.c.order_id))


async def insert(unit: UnitOfWork, command: OfferProduct) -> int:
    product, left = begun(0, command, unit.now)
    (id,) = await unit.insert(products, [row_of(product, _INSERTED)])
    await unit.insert(stock, [{"product_id": id, "on_hand": left.on_hand, "version": left.version}])
    return id


async def find(unit: UnitOfWork, id: int) -> Offered | None:
    row = (await unit.sql.execute(_FIND, {"id": id})).one_or_none()
    return None if row is None else _both(row)


async def page(unit: UnitOfWork, *, after: int, limit: int) -> list[Offered]:
    statement = _OFFERED.where(products.c.id > after).order_by(products.c.id).limit(limit)
    return [_both(row) for row in await unit.sql.execute(statement)]


async def lock(unit: UnitOfWork, id: int, *, with_stock: bool) -> Offered | None:
    """Lock a product; its stock only when it is to be set, so that a new price does not wait.

    The stock first: a reservation may hold it, and orders must not wait for the product meanwhile.
    """
    if with_stock:
        await lock_stock(unit, [id])
    await locks.take(unit, _LOCK, [id])
    return await find(unit, id)


async def save(unit: UnitOfWork, product: Product) -> None:
    await unit.sql.execute(
        update(products).where(products.c.id == product.id).values(row_of(product, _CHANGING))
    )


async def remove(unit: UnitOfWork, id: int) -> None:
    try:
        await unit.sql.execute(delete(stock).where(stock.c.product_id == id))
        await unit.sql.execute(delete(products).where(products.c.id == id))
    except ReferenceViolation:
        raise ProductIsOrdered(f"orders refer to product {id}") from None


async def lock_stock(unit: UnitOfWork, product_ids: Collection[int]) -> dict[int, Stock]:
    rows = await locks.take(unit, _LOCK_STOCK, product_ids)
    return {row.product_id: Stock(**row._mapping) for row in rows}


async def save_stock(unit: UnitOfWork, changed: Sequence[Stock]) -> None:
    """Save all in one statement; the caller holds their locks."""
    await unit.update_each(
        stock,
        [
            {"product_id": left.product_id, "on_hand": left.on_hand, "version": left.version}
            for left in changed
        ],
    )


async def lock_reservations(unit: UnitOfWork, order_ids: Collection[int]) -> dict[int, Reservation]:
    rows = await locks.take(unit, _LOCK_RESERVATIONS, order_ids)
    return {row.order_id: _reservation(row) for row in rows}


async def insert_reservations(unit: UnitOfWork, made: Sequence[Reservation]) -> None:
    """Insert the decisions. Raises UniqueViolation when another event of an order was first."""
    if made:
        rows = [{"order_id": one.order_id, **_decision(one)} for one in made]
        await unit.sql.execute(_INSERT_RESERVATIONS, rows)


async def save_reservations(unit: UnitOfWork, changed: Sequence[Reservation]) -> None:
    rows = {one.order_id: _decision(one) for one in changed}
    await update_alike(unit.sql, _SAVE_RESERVATIONS, rows)


def _both(row: Row[Any]) -> Offered:
    product = Product(row.id, row.name, row.price, row.version, row.created_at, row.updated_at)
    return product, Stock(row.id, row.on_hand, row.stock_version)


def _reservation(row: Row[Any]) -> Reservation:
    lines = {int(product_id): quantity for product_id, quantity in loads(row.lines)}
    return Reservation(row.order_id, ReservationState(row.state), row.version, lines)


def _decision(reservation: Reservation) -> dict[str, object]:
    return {
        "state": reservation.state.value,
        "version": reservation.version,
        "lines": dumps(list(reservation.lines.items())),
    }
