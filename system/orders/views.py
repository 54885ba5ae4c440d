"""What the query side shows of orders: `self`, the `names` it was placed with, its `reservation`."""

from __future__ import annotations

from collections.abc import Iterable

from system import events
from system.events import OrderCreated, OrderDeleted, OrderEvent, StockMoved, StockRejected
from system.ports.views import Put

VIEW = "orders"


def order(event: OrderEvent) -> Iterable[Put]:
    yield Put(VIEW, event.order_id, "self", event.version, _fields(event.order))


def names(event: OrderCreated) -> Iterable[Put]:
    """Only order.created knows them, and it may come last: so they are a part of their own."""
    fields = {
        "user": {"name": event.user_name.name, "version": event.user_name.version},
        "products": {
            str(known.id): {"name": known.name, "version": known.version}
            for known in event.product_names
        },
    }
    yield Put(VIEW, event.order_id, "names", event.version, fields)


def order_gone(event: OrderDeleted) -> Iterable[Put]:
    yield Put(VIEW, event.order_id, "self", event.version, None)


def reservation(event: StockMoved | StockRejected) -> Iterable[Put]:
    fields = {"reservation": event.reservation.value}
    yield Put(VIEW, event.order_id, "reservation", event.reservation_version, fields)


def _fields(order: events.Order) -> dict[str, object]:
    return {
        "user_id": order.user_id,
        "status": order.status.value,
        "paid": order.paid,
        "items": [
            {
                "product_id": item.product_id,
                "quantity": item.quantity,
                "unit_price": item.unit_price,
            }
            for item in order.items
        ],
        "total_amount": order.total_amount,
        "payment_method": order.payment_method,
        "cancel_reason": order.cancel_reason,
        "refund_due": order.refund_due,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
    }
