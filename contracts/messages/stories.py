"""THE EFFECTS: every event as its consumers expect it, and what each of them does because of it.

A story has one message. `after` is the provider state that leads to it (provider_states.py), and
`effects` has, by hand, what each consumer is to do with it: on the write side the rows that are
there before and afterwards, and the events that are emitted; on the query side the messages that
came before, and what the query API shows afterwards. Of a row, an event or a document only what is
named here is compared.

Which fields of a message a consumer reads stands nowhere here: that is recorded while it runs.

A field that may be null takes two stories, one with a value and one without, if a consumer reads
it; where the provider knows but one of them, ONE_FORM_ONLY says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from contracts.kit.pacts.states import name_of
from contracts.messages import provider_states as states
from contracts.messages.provider_states import State
from system import events
from system.events import (
    Missing,
    Name,
    OrderCanceled,
    OrderCreated,
    OrderDeleted,
    OrderItem,
    OrderPaid,
    OrderStatus,
    OrderUpdated,
    ProductCreated,
    ProductDeleted,
    ProductUpdated,
    ReservationState,
    StockRejected,
    StockReleased,
    StockReserved,
    UserCreated,
    UserDeleted,
    UserUpdated,
)
from system.kit.events import Event

Fields = Mapping[str, Any]  # values of a row, an event or a document
Rows = Mapping[str, Sequence[Fields]]
"""Per table its rows. User 1, product 2 and what is not named are as `consumers.ROWS` has them."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a consumer of the write side does, in one transaction."""

    before: Rows = field(default_factory=dict)
    rows: Rows = field(default_factory=dict)
    """All rows of each table that is named."""
    emitted: Sequence[tuple[type[Event], Fields]] = field(default_factory=list)
    """All events, in order."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the query API shows: the documents by their path, or None where it has none."""

    documents: Mapping[str, Fields | None]
    before: Sequence[Event] = field(default_factory=list)


Effect = Written | Shown


@dataclass(frozen=True, slots=True)
class Story:
    after: State
    message: Event
    effects: Mapping[str, Effect]
    """Per consumer."""
    is_caused: bool = False
    """Whether another event led to it, which it then names."""

    @property
    def name(self) -> str:
        return f"{self.message.type}: {name_of(self.after)}"


AT = datetime(2026, 1, 31, 8, 0, 0, 123456, tzinfo=UTC)
LATER = datetime(2026, 1, 31, 9, 0, 0, 123456, tzinfo=UTC)
FACT: dict[str, Any] = {  # the fields that every event begins with
    "event_id": UUID("00000000-0000-4000-8000-00000000000e"),
    "occurred_at": LATER,
}

USER = events.User(id=1, name="Ada", email="ada@example.com", created_at=AT, updated_at=AT)
PRODUCT = events.Product(
    id=2, name="Lamp", price=Decimal("19.90"), stock=10, created_at=AT, updated_at=AT
)
ORDER = events.Order(
    id=3,
    user_id=1,
    status=OrderStatus.CREATED,
    paid=False,
    total_amount=Decimal("39.80"),
    items=(OrderItem(product_id=2, quantity=2, unit_price=Decimal("19.90")),),
    payment_method=None,
    cancel_reason=None,
    refund_due=False,
    created_at=AT,
    updated_at=AT,
)


def order(**changes: object) -> events.Order:
    return ORDER.model_copy(update={"updated_at": LATER, **changes})


USER_CREATED = UserCreated(**FACT, user=USER, version=1)
PRODUCT_CREATED = ProductCreated(**FACT, product=PRODUCT, version=1, stock_version=1)
ORDER_CREATED = OrderCreated(
    **FACT,
    order_id=3,
    order=ORDER,
    version=1,
    user_name=Name(id=1, name="Ada", version=1),
    product_names=(Name(id=2, name="Lamp", version=1),),
)
MOVED: dict[str, Any] = {  # what stock.reserved and stock.released have in common
    **FACT,
    "order_id": 3,
    "product_id": 2,
    "quantity": 2,
}

IN_STOCK: Fields = {"product_id": 2, "on_hand": 10, "version": 1}
PLACED: Fields = {"id": 3, "status": "CREATED", "reservation": "pending", "version": 1}
HELD: Fields = {"order_id": 3, "state": "reserved", "version": 1, "lines": b"[[2,2]]"}
ORDER_ENDED = "order ended before its stock was reserved"

# --- what the users say --------------------------------------------------------------------------

USERS = (
    Story(
        states.a_user_registers,
        USER_CREATED,
        {
            "query-consumer": Shown(
                {
                    "users/1": {
                        "id": 1,
                        "name": "Ada",
                        "email": "ada@example.com",
                        "created_at": "2026-01-31T08:00:00.123456Z",
                        "updated_at": "2026-01-31T08:00:00.123456Z",
                    }
                }
            )
        },
    ),
    Story(
        states.a_user_changes_name_and_email,
        UserUpdated(
            **FACT,
            user=USER.model_copy(
                update={"name": "Bea", "email": "bea@example.com", "updated_at": LATER}
            ),
            version=2,
        ),
        {
            "query-consumer": Shown(
                before=[USER_CREATED],
                documents={
                    "users/1": {
                        "name": "Bea",
                        "email": "bea@example.com",
                        "updated_at": "2026-01-31T09:00:00.123456Z",
                    }
                },
            )
        },
    ),
    Story(
        states.a_user_leaves,
        UserDeleted(**FACT, user_id=1, version=2),
        {"query-consumer": Shown(before=[USER_CREATED], documents={"users/1": None})},
    ),
)

# --- what the products say -----------------------------------------------------------------------

PRODUCTS = (
    Story(
        states.a_product_is_offered,
        PRODUCT_CREATED,
        {
            "query-consumer": Shown(
                {
                    "products/2": {
                        "id": 2,
                        "name": "Lamp",
                        "price": Decimal("19.90"),
                        "stock": 10,
                        "created_at": "2026-01-31T08:00:00.123456Z",
                        "updated_at": "2026-01-31T08:00:00.123456Z",
                    }
                }
            )
        },
    ),
    Story(
        states.a_product_is_changed,
        ProductUpdated(
            **FACT,
            product=PRODUCT.model_copy(
                update={
                    "name": "Desk",
                    "price": Decimal("99.90"),
                    "stock": 4,
                    "updated_at": LATER,
                }
            ),
            version=2,
            stock_version=2,
            stock_change=-6,
        ),
        {
            "query-consumer": Shown(
                before=[PRODUCT_CREATED],
                documents={
                    "products/2": {
                        "name": "Desk",
                        "price": Decimal("99.90"),
                        "stock": 4,
                        "updated_at": "2026-01-31T09:00:00.123456Z",
                    }
                },
            )
        },
    ),
    Story(
        states.a_product_is_withdrawn,
        ProductDeleted(**FACT, product_id=2, version=2, stock_version=2),
        {"query-consumer": Shown(before=[PRODUCT_CREATED], documents={"products/2": None})},
    ),
    Story(
        states.the_stock_of_an_order_is_reserved,
        StockReserved(
            **MOVED,
            stock=8,
            stock_version=2,
            reservation=ReservationState.RESERVED,
            reservation_version=1,
        ),
        {
            "order-consumer": Written(
                before={"orders": [PLACED]},
                rows={
                    "orders": [{"id": 3, "reservation": "reserved", "reservation_version": 1}],
                },
            ),
            "query-consumer": Shown(
                before=[PRODUCT_CREATED, ORDER_CREATED],
                documents={"products/2": {"stock": 8}, "orders/3": {"reservation": "reserved"}},
            ),
        },
        is_caused=True,
    ),
    Story(
        states.the_stock_of_a_canceled_order_is_released,
        StockReleased(
            **MOVED,
            stock=10,
            stock_version=3,
            reservation=ReservationState.RELEASED,
            reservation_version=2,
        ),
        {
            "order-consumer": Written(
                before={"orders": [{**PLACED, "status": "CANCELED", "version": 2}]},
                rows={
                    "orders": [{"id": 3, "reservation": "released", "reservation_version": 2}],
                },
            ),
            "query-consumer": Shown(
                before=[PRODUCT_CREATED, ORDER_CREATED],
                documents={"products/2": {"stock": 10}, "orders/3": {"reservation": "released"}},
            ),
        },
        is_caused=True,
    ),
    Story(
        states.an_order_wants_more_than_is_left,
        StockRejected(
            **FACT,
            order_id=3,
            reason="out of stock",
            missing=(Missing(product_id=2, wanted=2, left=1),),
            reservation_version=1,
        ),
        {
            "order-consumer": Written(
                before={"orders": [PLACED]},
                rows={
                    "orders": [
                        {
                            "id": 3,
                            "status": "CANCELED",
                            "cancel_reason": "out of stock",
                            "reservation": "rejected",
                            "reservation_version": 1,
                            "version": 2,
                        }
                    ]
                },
                emitted=[(OrderCanceled, {"order_id": 3, "reason": "out of stock", "version": 2})],
            ),
            "query-consumer": Shown(
                before=[ORDER_CREATED], documents={"orders/3": {"reservation": "rejected"}}
            ),
        },
        is_caused=True,
    ),
)

# --- what the orders say -------------------------------------------------------------------------

ORDERS = (
    Story(
        states.an_order_is_placed,
        ORDER_CREATED,
        {
            "product-consumer": Written(
                before={"stock": [IN_STOCK]},
                rows={
                    "reservations": [{"order_id": 3, "state": "reserved", "version": 1}],
                    "stock": [{"product_id": 2, "on_hand": 8, "version": 2}],
                },
                emitted=[
                    (StockReserved, {"order_id": 3, "product_id": 2, "quantity": 2, "stock": 8})
                ],
            ),
            "query-consumer": Shown(
                {
                    "orders/3": {
                        "id": 3,
                        "user_id": 1,
                        "user_name": "Ada",
                        "status": "CREATED",
                        "paid": False,
                        "reservation": "pending",
                        "items": [
                            {
                                "product_id": 2,
                                "quantity": 2,
                                "unit_price": Decimal("19.90"),
                                "product_name": "Lamp",
                            }
                        ],
                        "total_amount": Decimal("39.80"),
                        "payment_method": None,
                        "cancel_reason": None,
                        "refund_due": False,
                        "created_at": "2026-01-31T08:00:00.123456Z",
                        "updated_at": "2026-01-31T08:00:00.123456Z",
                    }
                }
            ),
        },
    ),
    Story(
        states.an_order_is_processed,
        OrderUpdated(**FACT, order_id=3, order=order(status=OrderStatus.PROCESSING), version=2),
        {
            "query-consumer": Shown(
                before=[ORDER_CREATED],
                documents={
                    "orders/3": {"status": "PROCESSING", "paid": False, "payment_method": None}
                },
            )
        },
    ),
    Story(
        states.a_paid_order_is_processed,
        OrderUpdated(
            **FACT,
            order_id=3,
            order=order(status=OrderStatus.PROCESSING, paid=True, payment_method="credit_card"),
            version=3,
        ),
        {
            "query-consumer": Shown(
                before=[ORDER_CREATED],
                documents={
                    "orders/3": {
                        "status": "PROCESSING",
                        "paid": True,
                        "payment_method": "credit_card",
                    }
                },
            )
        },
    ),
    Story(
        states.an_order_is_paid,
        OrderPaid(
            **FACT,
            order_id=3,
            order=order(status=OrderStatus.PAID, paid=True, payment_method="credit_card"),
            version=2,
        ),
        {
            "query-consumer": Shown(
                before=[ORDER_CREATED],
                documents={
                    "orders/3": {"status": "PAID", "paid": True, "payment_method": "credit_card"}
                },
            )
        },
    ),
    Story(
        states.an_order_is_canceled_without_a_reason,
        OrderCanceled(
            **FACT,
            order_id=3,
            order=order(status=OrderStatus.CANCELED),
            version=2,
            reason=None,
            refund_due=False,
        ),
        {
            "product-consumer": Written(
                before={"stock": [{**IN_STOCK, "on_hand": 8}], "reservations": [HELD]},
                rows={
                    "reservations": [{"order_id": 3, "state": "released", "version": 2}],
                    "stock": [{"product_id": 2, "on_hand": 10, "version": 2}],
                },
                emitted=[
                    (StockReleased, {"order_id": 3, "product_id": 2, "quantity": 2, "stock": 10})
                ],
            ),
            "query-consumer": Shown(
                before=[ORDER_CREATED],
                documents={
                    "orders/3": {"status": "CANCELED", "cancel_reason": None, "refund_due": False}
                },
            ),
        },
    ),
    Story(
        states.a_paid_order_is_canceled_for_want_of_stock,
        OrderCanceled(
            **FACT,
            order_id=3,
            order=order(
                status=OrderStatus.CANCELED,
                paid=True,
                payment_method="credit_card",
                cancel_reason="out of stock",
                refund_due=True,
            ),
            version=3,
            reason="out of stock",
            refund_due=True,
        ),
        {
            "product-consumer": Written(
                before={"reservations": [{**HELD, "state": "rejected", "lines": b"[]"}]},
                rows={"reservations": [{"order_id": 3, "state": "rejected", "version": 1}]},
            ),
            "query-consumer": Shown(
                before=[ORDER_CREATED],
                documents={
                    "orders/3": {
                        "status": "CANCELED",
                        "paid": True,
                        "cancel_reason": "out of stock",
                        "refund_due": True,
                    }
                },
            ),
        },
        is_caused=True,
    ),
    Story(
        states.an_order_is_deleted,
        OrderDeleted(**FACT, order_id=3, items=ORDER.items, refund_due=False, version=2),
        {
            "product-consumer": Written(
                rows={"reservations": [{"order_id": 3, "state": "rejected", "version": 1}]},
                emitted=[(StockRejected, {"order_id": 3, "reason": ORDER_ENDED, "missing": []})],
            ),
            "query-consumer": Shown(before=[ORDER_CREATED], documents={"orders/3": None}),
        },
    ),
)

STORIES: tuple[Story, ...] = (*USERS, *PRODUCTS, *ORDERS)

ONE_FORM_ONLY: Mapping[tuple[str, str], str] = {
    ("order.created", "order.payment_method"): "an order is paid after it is placed",
    ("order.created", "order.cancel_reason"): "an order is canceled after it is placed",
    ("order.updated", "order.cancel_reason"): "a canceled order is not processed",
    ("order.paid", "order.payment_method"): "a payment names its method",
    ("order.paid", "order.cancel_reason"): "a canceled order is not paid",
}
"""Per event and field that may be null: why there is no message with, or none without a value."""
