"""The products' half of the transition table: reserve, reject, release; and stock by PUT."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from scenarios.decisions.given import ITEMS, LAMP, SHADE, now
from system.events import Missing, OrderItem, ReservationState, StockReleased, StockReserved
from system.products.model import (
    ORDER_ENDED,
    OUT_OF_STOCK,
    Reservation,
    Stock,
    reject,
    release,
    reserve,
    wanted,
)

RESERVED, RELEASED = ReservationState.RESERVED, ReservationState.RELEASED
REJECTED = ReservationState.REJECTED
LINES = {LAMP: 2, SHADE: 1}


def stock(**on_hand: int) -> dict[int, Stock]:
    ids = {"lamp": LAMP, "shade": SHADE}
    return {ids[name]: Stock(ids[name], left, 5) for name, left in on_hand.items()}


def test_what_an_order_wants_is_summed_by_product_in_the_order_of_ids() -> None:
    twice = (*ITEMS[::-1], OrderItem(product_id=LAMP, quantity=3, unit_price=ITEMS[0].unit_price))
    assert list(wanted(twice).items()) == [(LAMP, 5), (SHADE, 1)]


@pytest.mark.parametrize("there", [{"lamp": 2, "shade": 1}, {"lamp": 9, "shade": 9}])
def test_enough_is_reserved_for_all_of_it(there: dict[str, int]) -> None:
    before = stock(**there)

    (reservation, taken), told = reserve(42, LINES, before, now())

    assert reservation == Reservation(42, RESERVED, 1, LINES)
    assert taken == (
        Stock(LAMP, there["lamp"] - 2, 6),
        Stock(SHADE, there["shade"] - 1, 6),
    )
    for event, left in zip(told, taken, strict=True):
        assert isinstance(event, StockReserved)
        assert (event.key, event.product_id) == (42, left.product_id)
        assert event.quantity == LINES[left.product_id]
        assert (event.stock, event.stock_version) == (left.on_hand, left.version)
        assert (event.reservation, event.reservation_version) == (RESERVED, 1)


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        (stock(lamp=1, shade=1), [(LAMP, 2, 1)]),
        (stock(lamp=0, shade=1), [(LAMP, 2, 0)]),
        (stock(lamp=9, shade=0), [(SHADE, 1, 0)]),
        (stock(lamp=1, shade=0), [(LAMP, 2, 1), (SHADE, 1, 0)]),
        (stock(lamp=9), [(SHADE, 1, 0)]),
        (stock(), [(LAMP, 2, 0), (SHADE, 1, 0)]),
    ],
    ids=["one short", "none left", "the other", "both", "a product is gone", "all gone"],
)
def test_too_little_reserves_nothing_and_says_what_was_missing(
    there: Mapping[int, Stock], missing: list[tuple[int, int, int]]
) -> None:
    (reservation, taken), (rejected,) = reserve(42, LINES, there, now())

    assert reservation == Reservation(42, REJECTED, 1, {})
    assert taken == ()
    assert (rejected.type, rejected.key) == ("stock.rejected", 42)
    assert not isinstance(rejected, StockReserved)
    assert rejected.reason == OUT_OF_STOCK
    assert rejected.missing == tuple(
        Missing(product_id=product, wanted=some, left=left) for product, some, left in missing
    )
    assert (rejected.reservation, rejected.reservation_version) == (REJECTED, 1)


def test_an_order_that_ended_first_is_void_and_told() -> None:
    (void, _), (rejected,) = reject(42, ORDER_ENDED, now())

    assert void == Reservation(42, REJECTED, 1, {})
    assert (rejected.key, rejected.reason, rejected.missing) == (42, ORDER_ENDED, ())
    assert (rejected.reservation, rejected.reservation_version) == (REJECTED, 1)


def test_a_release_gives_all_of_it_back() -> None:
    before = stock(lamp=0, shade=4)

    (reservation, given), told = release(Reservation(42, RESERVED, 1, LINES), before, now())

    assert (reservation.state, reservation.version) == (RELEASED, 2)
    assert given == (Stock(LAMP, 2, 6), Stock(SHADE, 5, 6))
    for event, left in zip(told, given, strict=True):
        assert isinstance(event, StockReleased)
        assert (event.stock, event.stock_version) == (left.on_hand, left.version)
        assert (event.quantity, event.reservation_version) == (LINES[left.product_id], 2)


def test_a_release_passes_over_a_product_that_is_gone() -> None:
    (reservation, given), told = release(Reservation(42, RESERVED, 1, LINES), stock(shade=4), now())

    assert reservation.state is RELEASED
    assert given == (Stock(SHADE, 5, 6),)
    assert [event.product_id for event in told] == [SHADE]


def test_versions_are_counted_per_event_also_within_a_batch() -> None:
    """Two orders of one product in one transaction: no two moves of it share a version."""
    there = stock(lamp=5, shade=5)
    versions = []
    for order_id in (1, 2):
        (_, taken), told = reserve(order_id, {LAMP: 2}, there, now())
        there |= {left.product_id: left for left in taken}
        versions += [event.stock_version for event in told if isinstance(event, StockReserved)]
    assert versions == [6, 7]
    assert there[LAMP] == Stock(LAMP, 1, 7)
