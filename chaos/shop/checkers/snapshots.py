"""Snapshots: totals that add up, and events that tell what the write side had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from chaos.kit.checkers import Anomaly, Checker
from chaos.kit.evidence import Evidence, Row
from chaos.kit.promises import KEPT, Cases, Promise
from chaos.shop.evidence import orders_of, placed_in
from system.kit.values import cents, from_cents

# --- totals


def _totals(evidence: Evidence) -> Cases:
    for place, total, due in _sums(evidence):
        yield KEPT if total == due else Anomaly("wrong total", f"{place}: {total}, not {due}")


def _sums(evidence: Evidence) -> Iterator[tuple[str, int, int]]:
    """Wherever an order has a total: the place, that total, and what its items come to."""
    dues: Counter[int] = Counter()
    for line in evidence.rows("order_products"):
        dues[line["order_id"]] += line["quantity"] * line["unit_price"]
    for id, order in orders_of(evidence).items():
        yield f"order {id}", order["total_amount"], dues[id]
    for event in evidence.events_with("order"):
        due = sum(item.quantity * item.unit_price for item in event.order.items)
        yield f"{event.type} {event.key}", cents(event.order.total_amount), cents(due)
    for id, document in evidence.views.get("orders", {}).items():
        if shown := document.parts.get("self"):
            due = sum(item["quantity"] * _cents(item["unit_price"]) for item in shown["items"])
            yield f"the view of order {id}", _cents(shown["total_amount"]), due


def _cents(amount: object) -> int:
    """Of what a store of views may give back as a float."""
    return cents(Decimal(str(amount)))


# --- events

Facts = Mapping[str, Any]  # fields of several types
_ROWS = {"user": "users", "product": "products", "order": "orders"}
_FIXED = ("user_id", "total_amount", "items", "created_at")
"""What of an aggregate never changes."""


def _told(evidence: Evidence) -> Cases:
    for place, told, true in _pairs(evidence):
        wrong = [name for name, value in true.items() if told.get(name, value) != value]
        if not wrong:
            yield KEPT
        for name in wrong:
            yield Anomaly("untrue event", f"{place}: {name} {told[name]!r}, not {true[name]!r}")


def _pairs(evidence: Evidence) -> Iterator[tuple[str, Facts, Facts]]:
    """What an event says, beside what is known of the same from elsewhere."""
    for aggregate, table in _ROWS.items():
        rows = evidence.row_by("id", table)
        first: dict[int, Facts] = {}
        for event in evidence.events_with(aggregate):
            place, told = f"{event.type} {event.key}", dict(getattr(event, aggregate))
            row = rows.get(told["id"])
            if row is not None and row["version"] == event.version:
                yield place, told, _written(row, told)
            fixed = {name: told[name] for name in _FIXED if name in told}
            yield place, told, {**first.setdefault(told["id"], fixed), **_of_itself(event)}
    for event in evidence.events("order.deleted"):
        if placed := placed_in(evidence).get(event.key):
            yield f"order.deleted {event.key}", dict(event), {"items": placed.order.items}
    yield from _names(evidence)


def _of_itself(event: Any) -> Facts:  # one of the models
    """What follows from the event's other fields."""
    known: dict[str, Any] = {"updated_at": event.occurred_at}
    if event.type.endswith(".created"):
        known["created_at"] = event.occurred_at
    if event.type == "order.canceled":
        known |= {"cancel_reason": event.reason, "refund_due": event.refund_due}
    return known


def _written(row: Row, told: Facts) -> Facts:
    """A row in the words of an event: its times and amounts, as the event says them."""
    return {name: as_told(value, told.get(name)) for name, value in row.items()}


def as_told(value: Any, told: object) -> object:  # of a column, as each store has it
    """In the form in which an event tells it: a time in UTC, an amount."""
    if value is None:
        return None
    if isinstance(told, datetime):
        return datetime.fromisoformat(str(value)).replace(tzinfo=UTC)
    return from_cents(value) if isinstance(told, Decimal) else value


def _names(evidence: Evidence) -> Iterator[tuple[str, Facts, Facts]]:
    """The names in order.created, beside those that users and products had at these versions."""
    had = {
        (aggregate, event.key, event.version): getattr(event, aggregate).name
        for aggregate in ("user", "product")
        for event in evidence.events_with(aggregate)
    }
    for event in evidence.events("order.created"):
        known = [("user", event.user_name)] + [("product", name) for name in event.product_names]
        for aggregate, name in known:
            if true := had.get((aggregate, name.id, name.version)):
                yield f"order.created {event.key}", {"name": name.name}, {"name": true}


TOTALS = Checker(
    Promise("totals_add_up", "An order's total is the sum of its items, wherever it is told."),
    _totals,
)
EVENTS = Checker(
    Promise("events_tell_the_truth", "An event tells what the write side had at its version."),
    _told,
)
