"""The published language: one model per event type. `kit/events.py` says what an event is."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from system.kit.events import Event, Part
from system.kit.values import WHOLE, Id, Money, Price, Time, Version, Whole

Quantity = Annotated[int, Field(ge=1), WHOLE]
Units = Annotated[int, Field(ge=0), WHOLE]


class OrderStatus(StrEnum):
    CREATED = "CREATED"
    PROCESSING = "PROCESSING"
    PAID = "PAID"
    CANCELED = "CANCELED"


class ReservationState(StrEnum):
    PENDING = "pending"
    RESERVED = "reserved"
    RELEASED = "released"
    REJECTED = "rejected"


class User(Part):
    id: Id
    name: str
    email: str
    created_at: Time
    updated_at: Time


class Product(Part):
    id: Id
    name: str
    price: Price
    stock: Units
    created_at: Time
    updated_at: Time


class OrderItem(Part):
    product_id: Id
    quantity: Quantity
    unit_price: Price


class Order(Part):
    id: Id
    user_id: Id
    status: OrderStatus
    paid: bool
    total_amount: Money
    items: tuple[OrderItem, ...]
    payment_method: str | None
    cancel_reason: str | None
    refund_due: bool
    created_at: Time
    updated_at: Time


class Name(Part):
    """A name as an order saw it, with the version of the user or product that had it."""

    id: Id
    name: str
    version: Version


class Missing(Part):
    """What one product of an order lacked; `left` is 0 for a product that is gone."""

    product_id: Id
    wanted: Quantity
    left: Units


class UserEvent(Event):
    aggregate = "user"
    key_field = "user.id"
    user: User
    version: Version


class UserCreated(UserEvent):
    """A user was registered."""

    type = "user.created"


class UserUpdated(UserEvent):
    """A user's name or email changed."""

    type = "user.updated"


class UserDeleted(Event):
    """A user left. No order refers to them."""

    type = "user.deleted"
    aggregate = "user"
    key_field = "user_id"
    user_id: Id
    version: Version


class ProductEvent(Event):
    aggregate = "product"
    key_field = "product.id"
    product: Product
    version: Version
    stock_version: Version


class ProductCreated(ProductEvent):
    """A product is offered, with its first stock."""

    type = "product.created"


class ProductUpdated(ProductEvent):
    """A product's name, price or stock was set; `stock_change` is 0 when the stock was not."""

    type = "product.updated"
    stock_change: Whole


class ProductDeleted(Event):
    """A product is no longer offered. No order refers to it."""

    type = "product.deleted"
    aggregate = "product"
    key_field = "product_id"
    product_id: Id
    version: Version
    stock_version: Version


class OrderEvent(Event):
    """Each carries the whole order, as it is after the fact."""

    aggregate = "order"
    key_field = "order_id"
    order_id: Id
    order: Order
    version: Version

    @model_validator(mode="after")
    def _is_about_one_order(self) -> Self:
        if self.order_id != self.order.id:
            raise PydanticCustomError("order_id", "order_id and order.id differ")
        return self


class OrderCreated(OrderEvent):
    """An order was placed. Its stock is not reserved yet.

    It carries names, so that no reader must wait for the events of users and products.
    """

    type = "order.created"
    user_name: Name
    product_names: tuple[Name, ...]

    @model_validator(mode="after")
    def _names_whom_it_is_about(self) -> Self:
        if self.user_name.id != self.order.user_id:
            raise PydanticCustomError("user_name", "user_name is another user's")
        named = {name.id for name in self.product_names}
        if not named.issuperset(item.product_id for item in self.order.items):
            raise PydanticCustomError("product_names", "an item's product has no name")
        return self


class OrderUpdated(OrderEvent):
    """An order is being processed."""

    type = "order.updated"


class OrderPaid(OrderEvent):
    """An order was paid for."""

    type = "order.paid"


class OrderCanceled(OrderEvent):
    """An order was canceled, by its client or for want of stock; a paid one is to be refunded."""

    type = "order.canceled"
    reason: str | None
    refund_due: bool


class OrderDeleted(Event):
    """An order was removed in whatever state; a paid one is to be refunded."""

    type = "order.deleted"
    aggregate = "order"
    key_field = "order_id"
    order_id: Id
    items: tuple[OrderItem, ...]
    refund_due: bool
    version: Version


class StockMoved(Event):
    """One product's part in an order's reservation; lines of one product are summed."""

    # The process that relays for products sends it; by its key it keeps its place among its order's events.
    aggregate = "product"
    key_field = "order_id"
    order_id: Id
    product_id: Id
    quantity: Quantity
    stock: Units
    """What is left afterwards."""
    stock_version: Version
    """Counted per event: two moves of one product never share a version."""
    reservation: ReservationState
    reservation_version: Version


class StockReserved(StockMoved):
    """Stock was taken for an order."""

    type = "stock.reserved"


class StockReleased(StockMoved):
    """Stock that an order held is back."""

    type = "stock.released"


class StockRejected(Event):
    """An order gets no stock: too little was there, or the order ended before it was its turn."""

    type = "stock.rejected"
    aggregate = "product"
    key_field = "order_id"
    order_id: Id
    reason: str
    missing: tuple[Missing, ...]
    reservation: ReservationState = ReservationState.REJECTED
    reservation_version: Version


EVENTS: tuple[type[Event], ...] = (
    UserCreated,
    UserUpdated,
    UserDeleted,
    ProductCreated,
    ProductUpdated,
    ProductDeleted,
    OrderCreated,
    OrderUpdated,
    OrderPaid,
    OrderCanceled,
    OrderDeleted,
    StockReserved,
    StockReleased,
    StockRejected,
)
BY_TYPE = {event.type: event for event in EVENTS}
TOPICS = tuple(BY_TYPE)
