"""What checkers of the shop look up again and again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaos.kit.evidence import Evidence, Row
from system.kit.values import loads


def orders_of(evidence: Evidence) -> Mapping[int, Row]:
    return evidence.row_by("id", "orders")


def reservations_of(evidence: Evidence) -> Mapping[int, Row]:
    """By their orders."""
    return evidence.row_by("order_id", "reservations")


def lines_of(reservation: Row) -> Mapping[int, int]:
    """How much of which product."""
    return {int(product_id): quantity for product_id, quantity in loads(reservation["lines"])}


def placed_in(evidence: Evidence) -> Mapping[int, Any]:  # OrderCreated, as evidence has it
    """Each order's order.created."""
    return evidence.first_by_key("order.created")
