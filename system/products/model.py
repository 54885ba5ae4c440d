"""Products, stock and reservations: states, commands, and the pure decisions.

Stock is an aggregate of its own beside the product: orders refer to products, and a reference
locks its row, which must not stand in the way of the reservations of a hot product.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from system import events
from system.events import (
    Missing,
    OrderItem,
    ProductCreated,
    ProductDeleted,
    ProductUpdated,
    ReservationState,
    StockRejected,
    StockReleased,
    StockReserved,
)
from system.kit.errors import DomainError, NotFound, StillReferred
from system.kit.events import Decision
from system.kit.ports.world import Now

OUT_OF_STOCK = "out of stock"
ORDER_ENDED = "order ended before its stock was reserved"


class NoSuchProduct(NotFound, DomainError):
    """There is no product with this id."""


class ProductIsOrdered(StillReferred, DomainError):
    """Orders refer to this product."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What may still be sold of one product; the version counts every change."""

    product_id: int
    on_hand: int
    version: int


@dataclass(frozen=True, slots=True)
class Product:
    id: int
    name: str
    price: Decimal
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one order holds. Whichever of its events comes first makes it, and that decides.

    Kept for ever: it is what makes late and repeated events harmless.
    """

    order_id: int
    state: ReservationState
    version: int
    lines: Mapping[int, int]
    """Product id to quantity; lines of one product are summed."""


Offered = tuple[Product, Stock]
Held = tuple[Reservation, tuple[Stock, ...]]
"""A reservation, and the stocks that have changed with it."""


@dataclass(frozen=True, slots=True)
class OfferProduct:
    name: str
    price: Decimal
    stock: int


@dataclass(frozen=True, slots=True)
class UpdateProduct:
    """What is None stays as it is."""

    name: str | None = None
    price: Decimal | None = None
    stock: int | None = None


def begun(id: int, command: OfferProduct, now: Now) -> Offered:
    product = Product(id, command.name, command.price, 1, now.at, now.at)
    return product, Stock(id, command.stock, 1)


def offer(id: int, command: OfferProduct, now: Now) -> Decision[Offered, ProductCreated]:
    product, stock = begun(id, command, now)
    created = ProductCreated(
        event_id=now.new_id(),
        occurred_at=now.at,
        product=_snapshot(product, stock),
        version=product.version,
        stock_version=stock.version,
    )
    return (product, stock), (created,)


def update(offered: Offered, command: UpdateProduct, now: Now) -> Decision[Offered, ProductUpdated]:
    product, stock = offered
    changed = replace(
        product,
        name=product.name if command.name is None else command.name,
        price=product.price if command.price is None else command.price,
    )
    left = stock
    if command.stock is not None and command.stock != stock.on_hand:
        left = replace(stock, on_hand=command.stock, version=stock.version + 1)
    if (changed, left) == offered:
        return offered, ()
    changed = replace(changed, version=product.version + 1, updated_at=now.at)
    updated = ProductUpdated(
        event_id=now.new_id(),
        occurred_at=now.at,
        product=_snapshot(changed, left),
        version=changed.version,
        stock_version=left.version,
        stock_change=left.on_hand - stock.on_hand,
    )
    return (changed, left), (updated,)


def remove(offered: Offered, now: Now) -> Decision[None, ProductDeleted]:
    product, stock = offered
    deleted = ProductDeleted(
        event_id=now.new_id(),
        occurred_at=now.at,
        product_id=product.id,
        version=product.version + 1,
        stock_version=stock.version + 1,
    )
    return None, (deleted,)


def wanted(items: Iterable[OrderItem]) -> dict[int, int]:
    """Product id to quantity, lines of one product summed, in the order of the ids."""
    sums: dict[int, int] = {}
    for item in items:
        sums[item.product_id] = sums.get(item.product_id, 0) + item.quantity
    return dict(sorted(sums.items()))


def reserve(
    order_id: int, lines: Mapping[int, int], stock: Mapping[int, Stock], now: Now
) -> Decision[Held, StockReserved | StockRejected]:
    """Take all that an order wants, or nothing. A product that is gone has nothing left."""
    missing = tuple(
        Missing(product_id=product_id, wanted=quantity, left=left)
        for product_id, quantity in lines.items()
        if (left := stock[product_id].on_hand if product_id in stock else 0) < quantity
    )
    if missing:
        return reject(order_id, OUT_OF_STOCK, now, missing)
    reservation = Reservation(order_id, ReservationState.RESERVED, 1, lines)
    taken = tuple(_moved(stock[product_id], -quantity) for product_id, quantity in lines.items())
    reserved = tuple(
        StockReserved(**_move(reservation, left, lines[left.product_id], now)) for left in taken
    )
    return (reservation, taken), reserved


def reject(
    order_id: int, reason: str, now: Now, missing: tuple[Missing, ...] = ()
) -> Decision[Held, StockRejected]:
    """Decide that an order gets nothing: too little is there, or it is void, for it ended before."""
    reservation = Reservation(order_id, ReservationState.REJECTED, 1, {})
    rejected = StockRejected(
        event_id=now.new_id(),
        occurred_at=now.at,
        order_id=order_id,
        reason=reason,
        missing=missing,
        reservation_version=reservation.version,
    )
    return (reservation, ()), (rejected,)


def release(
    reservation: Reservation, stock: Mapping[int, Stock], now: Now
) -> Decision[Held, StockReleased]:
    """Give back all that an order holds; a product that is gone takes nothing back."""
    released = replace(
        reservation, state=ReservationState.RELEASED, version=reservation.version + 1
    )
    given = tuple(
        _moved(stock[product_id], quantity)
        for product_id, quantity in reservation.lines.items()
        if product_id in stock
    )
    back = tuple(
        StockReleased(**_move(released, left, reservation.lines[left.product_id], now))
        for left in given
    )
    return (released, given), back


def _moved(stock: Stock, change: int) -> Stock:
    return Stock(stock.product_id, stock.on_hand + change, stock.version + 1)


def _move(
    reservation: Reservation, left: Stock, quantity: int, now: Now
) -> dict[str, Any]:  # what both stock.reserved and stock.released say, each field of its own type
    return {
        "event_id": now.new_id(),
        "occurred_at": now.at,
        "order_id": reservation.order_id,
        "product_id": left.product_id,
        "quantity": quantity,
        "stock": left.on_hand,
        "stock_version": left.version,
        "reservation": reservation.state,
        "reservation_version": reservation.version,
    }


def _snapshot(product: Product, stock: Stock) -> events.Product:
    return events.Product(
        id=product.id,
        name=product.name,
        price=product.price,
        stock=stock.on_hand,
        created_at=product.created_at,
        updated_at=product.updated_at,
    )
