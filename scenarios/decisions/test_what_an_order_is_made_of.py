"""Placing an order: checked against who and what is there, priced, and told with names."""

from __future__ import annotations

from decimal import Decimal

import pytest

from scenarios.decisions.given import ADA, LAMP, LATER, SHADE, now
from system.events import Name, OrderStatus, ReservationState
from system.orders.model import (
    Line,
    Offer,
    PlaceOrder,
    TotalTooLarge,
    UnknownProduct,
    UnknownUser,
    draft,
    place,
)

USERS = {ADA.id: ADA}
OFFERS = {
    LAMP: Offer(Name(id=LAMP, name="Lamp", version=1), Decimal("19.90")),
    SHADE: Offer(Name(id=SHADE, name="Shade", version=5), Decimal("5.00")),
}


def order_of(*lines: Line, user_id: int = ADA.id) -> PlaceOrder:
    return PlaceOrder(user_id, lines)


def test_it_takes_the_present_price_where_none_was_shown() -> None:
    made = draft(order_of(Line(LAMP, 2, None), Line(SHADE, 1, Decimal("4.00"))), USERS, OFFERS)

    assert [item.unit_price for item in made.items] == [Decimal("19.90"), Decimal("4.00")]
    assert made.total_amount == Decimal("43.80")


def test_a_price_of_nothing_is_a_price() -> None:
    made = draft(order_of(Line(LAMP, 2, Decimal("0.00"))), USERS, OFFERS)
    assert made.total_amount == Decimal(0)


def test_it_names_each_product_once_in_the_order_of_the_lines() -> None:
    lines = [Line(SHADE, 1, None), Line(LAMP, 2, None), Line(SHADE, 3, None)]
    made = draft(order_of(*lines), USERS, OFFERS)

    assert [name.name for name in made.products] == ["Shade", "Lamp"]
    assert [(item.product_id, item.quantity) for item in made.items] == [
        (SHADE, 1),
        (LAMP, 2),
        (SHADE, 3),
    ]


@pytest.mark.parametrize(
    ("command", "refusal", "says"),
    [
        (order_of(Line(LAMP, 1, None), user_id=8), UnknownUser, "user 8"),
        (order_of(Line(13, 1, None)), UnknownProduct, "product 13"),
        (
            order_of(Line(LAMP, 1, None), Line(13, 1, None), Line(14, 1, None)),
            UnknownProduct,
            "product 13",
        ),
        (order_of(Line(13, 1, None), user_id=8), UnknownUser, "user 8"),
    ],
)
def test_it_is_refused_when_who_or_what_it_names_is_not_there(
    command: PlaceOrder, refusal: type[Exception], says: str
) -> None:
    with pytest.raises(refusal, match=says):
        draft(command, USERS, OFFERS)


def test_it_is_refused_when_its_total_cannot_be_stored() -> None:
    dear = Decimal("9999999999.99")
    lines = [Line(LAMP, 1_000_000, dear)] * 100
    with pytest.raises(TotalTooLarge):
        draft(order_of(*lines), USERS, OFFERS)


def test_it_begins_unpaid_with_its_stock_pending_and_tells_the_names() -> None:
    made = draft(order_of(Line(LAMP, 2, None)), USERS, OFFERS)

    order, (created,) = place(42, made, now())

    assert (order.status, order.paid) == (OrderStatus.CREATED, False)
    assert (order.reservation, order.reservation_version) == (ReservationState.PENDING, 0)
    assert (order.version, order.created_at, order.updated_at) == (1, LATER, LATER)
    assert (created.key, created.version, created.order.id) == (42, 1, 42)
    assert (created.user_name, created.product_names) == (ADA, (OFFERS[LAMP].name,))
    assert created.order.total_amount == Decimal("39.80")
