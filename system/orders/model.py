"""An order's state, the commands that change it, and the pure decisions.

Payment is a fact of its own, beside status and reservation: an order may be paid and then lack
stock, and must remember that the money goes back. `docs/order-life.md` has the whole table.
A command of one value is that value: it needs no class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from system import events
from system.events import (
    Name,
    OrderCanceled,
    OrderCreated,
    OrderDeleted,
    OrderItem,
    OrderPaid,
    OrderStatus,
    OrderUpdated,
    ReservationState,
)
from system.kit.errors import DomainError, Fault, Invalid, NotFound
from system.kit.events import Decision
from system.kit.ports.world import Now
from system.kit.values import TOTAL_MAX


class NoSuchOrder(NotFound, DomainError):
    """There is no order with this id."""


class UnknownUser(DomainError):
    """No user has this id. Nothing was changed."""

    status = 422
    title = "The user does not exist"


class UnknownProduct(DomainError):
    """No product has this id. Nothing was changed."""

    status = 422
    title = "A product does not exist"


class TotalTooLarge(Invalid, DomainError):
    """The order's total is more than can be stored."""


class TransitionForbidden(DomainError):
    """No such step leads on from the order's present state. Nothing was changed."""

    status = 409
    title = "The order's state forbids it"


@dataclass(frozen=True, slots=True)
class Order:
    id: int
    user_id: int
    status: OrderStatus
    paid: bool
    total_amount: Decimal
    items: tuple[OrderItem, ...]
    payment_method: str | None
    cancel_reason: str | None
    refund_due: bool
    reservation: ReservationState
    """A note of what the stock decided; it raises no version of the order."""
    reservation_version: int
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Line:
    product_id: int
    quantity: int
    unit_price: Decimal | None
    """What the customer was shown; None stands for the current price."""


@dataclass(frozen=True, slots=True)
class PlaceOrder:
    user_id: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """What an order needs to know of a product."""

    name: Name
    price: Decimal


@dataclass(frozen=True, slots=True)
class Draft:
    """An order that may be placed: everything but its id."""

    user: Name
    products: tuple[Name, ...]
    items: tuple[OrderItem, ...]
    total_amount: Decimal


def draft(command: PlaceOrder, users: Mapping[int, Name], offers: Mapping[int, Offer]) -> Draft:
    """Check an order against what is there, and price it.

    Raises UnknownUser, UnknownProduct, TotalTooLarge.
    """
    if command.user_id not in users:
        missing = f"there is no user {command.user_id}"
        raise UnknownUser(missing, [Fault("body/user_id", missing)])
    unknown = [
        Fault(f"body/items/{number}/product_id", f"there is no product {line.product_id}")
        for number, line in enumerate(command.lines)
        if line.product_id not in offers
    ]
    if unknown:
        raise UnknownProduct(unknown[0].reason, unknown)
    items = tuple(
        OrderItem(
            product_id=line.product_id,
            quantity=line.quantity,
            unit_price=(
                offers[line.product_id].price if line.unit_price is None else line.unit_price
            ),
        )
        for line in command.lines
    )
    total = sum((item.quantity * item.unit_price for item in items), Decimal(0))
    if total > TOTAL_MAX:
        too_large = f"the total of {total} is more than {TOTAL_MAX}"
        raise TotalTooLarge(too_large, [Fault("body/items", too_large)])
    ordered = dict.fromkeys(line.product_id for line in command.lines)
    names = tuple(offers[product_id].name for product_id in ordered)
    return Draft(users[command.user_id], names, items, total)


def begun(id: int, draft: Draft, now: Now) -> Order:
    return Order(
        id=id,
        user_id=draft.user.id,
        status=OrderStatus.CREATED,
        paid=False,
        total_amount=draft.total_amount,
        items=draft.items,
        payment_method=None,
        cancel_reason=None,
        refund_due=False,
        reservation=ReservationState.PENDING,
        reservation_version=0,
        version=1,
        created_at=now.at,
        updated_at=now.at,
    )


def place(id: int, draft: Draft, now: Now) -> Decision[Order, OrderCreated]:
    order = begun(id, draft, now)
    created = OrderCreated(**_after(order, now), user_name=draft.user, product_names=draft.products)
    return order, (created,)


def pay(order: Order, payment_method: str, now: Now) -> Decision[Order, OrderPaid]:
    payable = order.status in (OrderStatus.CREATED, OrderStatus.PROCESSING) and not order.paid
    if not payable:
        raise TransitionForbidden(f"order {order.id} is {_state(order)}: it cannot be paid")
    paid = _changed(order, now, status=OrderStatus.PAID, paid=True, payment_method=payment_method)
    return paid, (OrderPaid(**_after(paid, now)),)


def set_status(order: Order, status: OrderStatus, now: Now) -> Decision[Order, OrderUpdated]:
    """Only PROCESSING can be set; payment and cancellation have calls of their own."""
    if status is order.status:
        return order, ()
    processable = order.status in (OrderStatus.CREATED, OrderStatus.PAID)
    if status is not OrderStatus.PROCESSING or not processable:
        raise TransitionForbidden(f"order {order.id} is {_state(order)}: it cannot become {status}")
    processing = _changed(order, now, status=status)
    return processing, (OrderUpdated(**_after(processing, now)),)


def cancel(order: Order, reason: str | None, now: Now) -> Decision[Order, OrderCanceled]:
    """Cancel at the client's wish, which only an order that is not being processed allows."""
    if order.status is not OrderStatus.CREATED:
        raise TransitionForbidden(f"order {order.id} is {_state(order)}: it cannot be canceled")
    return _canceled(order, reason, now)


def cancel_for_stock(order: Order, reason: str, now: Now) -> Decision[Order, OrderCanceled]:
    """Cancel an order that gets no stock, in whatever state; an ended one keeps its first reason."""
    if order.status is OrderStatus.CANCELED:
        return order, ()
    return _canceled(order, reason, now)


def note(order: Order, reservation: ReservationState, version: int) -> Order:
    """Note what the stock decided, unless something newer is known."""
    if version <= order.reservation_version:
        return order
    return replace(order, reservation=reservation, reservation_version=version)


def remove(order: Order, now: Now) -> Decision[None, OrderDeleted]:
    deleted = OrderDeleted(
        event_id=now.new_id(),
        occurred_at=now.at,
        order_id=order.id,
        items=order.items,
        refund_due=order.paid,
        version=order.version + 1,
    )
    return None, (deleted,)


def _canceled(order: Order, reason: str | None, now: Now) -> Decision[Order, OrderCanceled]:
    changes = {"cancel_reason": reason, "refund_due": order.paid}
    canceled = _changed(order, now, status=OrderStatus.CANCELED, **changes)
    event = OrderCanceled(**_after(canceled, now), reason=reason, refund_due=canceled.refund_due)
    return canceled, (event,)


def _changed(order: Order, now: Now, **changes: Any) -> Order:  # each field of its own type
    return replace(order, version=order.version + 1, updated_at=now.at, **changes)


def _state(order: Order) -> str:
    paid_already = order.paid and order.status is not OrderStatus.PAID
    return f"{order.status} and paid" if paid_already else str(order.status)


def _after(order: Order, now: Now) -> dict[str, Any]:  # each field of its own type
    """What all events of an order say: the whole of it, as it is after the fact."""
    return {
        "event_id": now.new_id(),
        "occurred_at": now.at,
        "order_id": order.id,
        "order": events.Order.model_validate(order, from_attributes=True),
        "version": order.version,
    }
