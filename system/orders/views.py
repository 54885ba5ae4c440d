"""What the query side shows of orders: `self`, the `names` it was placed with, its `reservation`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from system import events
from system.events import (
    OrderCreated,
    OrderDeleted,
    OrderEvent,
    OrderItem,
    OrderStatus,
    ReservationState,
    StockMoved,
    StockRejected,
)
from system.kit.http.bodies import IdParameter, Maybe
from system.kit.http.paging import Page
from system.kit.ports.views import Document, Put, Related, View
from system.kit.values import Id, Money, Time

VIEW = "orders"
_DEFAULTS = events.Order.defaults()
_FIELDS = tuple(name for name in events.Order.model_fields if name != "id")


class OrderResource(BaseModel):
    """An order, as both sides show it."""

    id: Id
    user_id: Id
    status: OrderStatus
    paid: bool
    reservation: ReservationState
    items: list[OrderItem]
    total_amount: Money
    payment_method: str | None
    cancel_reason: str | None
    refund_due: bool
    created_at: Time
    updated_at: Time


class NamedItem(OrderItem):
    product_name: str


class NamedOrder(OrderResource):
    """An order with the names of its user and products, as only the query side shows it."""

    user_name: str
    items: list[NamedItem]  # type: ignore[assignment]  # a narrower item, in a model only read


class OrdersPage(Page):
    """The parameters of a list of orders."""

    status: Maybe[OrderStatus] = None
    user_id: Maybe[IdParameter] = None


def order(event: OrderEvent) -> Iterable[Put]:
    fields = {name: getattr(event.order, name) for name in _FIELDS}
    fields["status"] = event.order.status.value
    fields["items"] = [item.model_dump() for item in event.order.items]
    yield Put(VIEW, event.order_id, "self", event.version, fields)


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


def refers_to(document: Document) -> Mapping[str, Collection[int]]:
    order = document.parts["self"] or {}
    return {
        "users": [order["user_id"]],
        "products": [item["product_id"] for item in order["items"]],
    }


def show(document: Document, related: Related) -> Mapping[str, Any]:  # values of several types
    """The order with names: those it was placed with, or newer ones where the views know them."""
    order, names = document.parts["self"] or {}, document.parts["names"] or {}
    reservation = document.parts.get("reservation") or {"reservation": "pending"}
    items = [
        {
            **item,
            "product_name": _newest(
                names["products"][str(item["product_id"])],
                related["products"].get(item["product_id"]),
            ),
        }
        for item in order["items"]
    ]
    shown = {"id": document.key, **_DEFAULTS, **order, **reservation, "items": items}
    shown["user_name"] = _newest(names["user"], related["users"].get(order["user_id"]))
    return {name: shown[name] for name in NamedOrder.model_fields}


def _newest(known: Mapping[str, Any], document: Document | None) -> Any:  # a stored name
    if document is None or not document.has(["self"]):
        return known["name"]
    newer = document.versions["self"] > known["version"]
    return (document.parts["self"] or {})["name"] if newer else known["name"]


ORDERS = View(
    VIEW,
    parts=("self", "names", "reservation"),
    required=("self", "names"),
    show=show,
    resource=NamedOrder,
    filters=OrdersPage,
    refers_to=refers_to,
)
