"""States and moments for the decisions, each as short as a table wants it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from uuid import UUID

from system.events import Name, OrderItem, OrderStatus, ReservationState
from system.kit.events import Cause
from system.kit.ports.world import Now
from system.orders.model import Order

EARLIER = datetime(2026, 1, 31, 8, tzinfo=UTC)
LATER = datetime(2026, 1, 31, 9, tzinfo=UTC)
CAUSE = Cause(UUID(int=1), None, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")

ADA = Name(id=7, name="Ada", version=3)
LAMP, SHADE = 11, 12
ITEMS = (
    OrderItem(product_id=LAMP, quantity=2, unit_price=Decimal("19.90")),
    OrderItem(product_id=SHADE, quantity=1, unit_price=Decimal("5.00")),
)

_ids = count(100)


def now() -> Now:
    """A moment after all states given here."""
    return Now(LATER, lambda: UUID(int=next(_ids)))


def order(
    status: OrderStatus = OrderStatus.CREATED,
    *,
    paid: bool = False,
    reservation: ReservationState = ReservationState.PENDING,
    reservation_version: int = 0,
    cancel_reason: str | None = None,
) -> Order:
    return Order(
        id=42,
        user_id=ADA.id,
        status=status,
        paid=paid,
        total_amount=Decimal("44.80"),
        items=ITEMS,
        payment_method="pix" if paid else None,
        cancel_reason=cancel_reason,
        refund_due=paid and status is OrderStatus.CANCELED,
        reservation=reservation,
        reservation_version=reservation_version,
        version=4,
        created_at=EARLIER,
        updated_at=EARLIER,
    )


STATES = {
    "created": order(OrderStatus.CREATED),
    "processing": order(OrderStatus.PROCESSING),
    "processing, paid": order(OrderStatus.PROCESSING, paid=True),
    "paid": order(OrderStatus.PAID, paid=True),
    "canceled": order(OrderStatus.CANCELED, cancel_reason="first"),
    "canceled, paid": order(OrderStatus.CANCELED, paid=True, cancel_reason="first"),
}
"""An order in each state that orders can be in: a status, and whether it is paid."""
