"""Stock: never below zero, never made or lost, reserved for an order wholly or not at all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from chaos.kit.checkers import Anomaly, Checker
from chaos.kit.evidence import Evidence
from chaos.shop.evidence import placed_in, reservations_of
from system.kit.values import loads


def _conserved(evidence: Evidence) -> Iterator[Anomaly]:
    put: Counter[int] = Counter()
    for event in evidence.events("product.created"):
        put[event.product.id] += event.product.stock
    for event in evidence.events("product.updated"):
        put[event.product.id] += event.stock_change
    held: Counter[int] = Counter()
    for row in reservations_of(evidence).values():
        if row["state"] == "reserved":
            held.update(_lines(row))
    for row in evidence.rows("stock"):
        id, left = row["product_id"], row["on_hand"]
        due = put[id] - held[id]
        if left != due:
            name = "stock made" if left > due else "stock lost"
            yield Anomaly(name, f"product {id}: {left} left; {put[id]} put, {held[id]} held")
    yield from _chains(evidence)


def _chains(evidence: Evidence) -> Iterator[Anomaly]:
    """Each version of a stock follows from the one before it."""
    versions: dict[int, dict[int, tuple[int, int]]] = defaultdict(dict)
    for event in evidence.events("product.created", "product.updated"):
        change = event.stock_change if event.type == "product.updated" else event.product.stock
        if change or event.type == "product.created":
            versions[event.product.id][event.stock_version] = event.product.stock, change
    for event in evidence.events("stock.reserved", "stock.released"):
        sign = -1 if event.type == "stock.reserved" else 1
        versions[event.product_id][event.stock_version] = event.stock, sign * event.quantity
    for id, steps in sorted(versions.items()):
        left = 0
        for version, (stock, change) in sorted(steps.items()):
            if stock != left + change:
                yield Anomaly(
                    "broken chain", f"product {id} at {version}: {left} {change:+} = {stock}"
                )
            left = stock


def _not_oversold(evidence: Evidence) -> Iterator[Anomaly]:
    for row in evidence.rows("stock"):
        if row["on_hand"] < 0:
            yield Anomaly("oversold", f"product {row['product_id']}: {row['on_hand']}")
    yield from _whole(evidence)
    for event in evidence.events("stock.rejected"):
        for missing in event.missing:
            if missing.left >= missing.wanted:
                yield Anomaly(
                    "needless rejection",
                    f"order {event.order_id}: {missing.wanted} wanted, {missing.left} left",
                )


def _whole(evidence: Evidence) -> Iterator[Anomaly]:
    told: dict[tuple[int, str], Counter[int]] = defaultdict(Counter)
    for event in evidence.events("stock.reserved", "stock.released"):
        told[event.order_id, event.type][event.product_id] += event.quantity
    for id, row in reservations_of(evidence).items():
        if row["state"] == "rejected":
            if lines := _lines(row):
                yield Anomaly("partial reservation", f"order {id}: rejected, and holds {lines}")
            continue
        wanted = _wanted(evidence, id)
        if wanted is not None and _lines(row) != wanted:
            yield Anomaly("partial reservation", f"order {id}: {_lines(row)}, and wants {wanted}")
        if told[id, "stock.reserved"] != _lines(row):
            reserved = dict(told[id, "stock.reserved"])
            yield Anomaly("partial reservation", f"order {id}: {_lines(row)}, told {reserved}")


def _wanted(evidence: Evidence, order_id: int) -> Mapping[int, int] | None:
    placed = placed_in(evidence).get(order_id)
    if placed is None:
        return None
    wanted: Counter[int] = Counter()
    for item in placed.order.items:
        wanted[item.product_id] += item.quantity
    return dict(wanted)


def _lines(row: Mapping[str, Any]) -> dict[int, int]:
    return {int(product_id): quantity for product_id, quantity in loads(row["lines"])}


STOCK_CONSERVED = Checker(
    "stock_conserved",
    "What is left of a product is what was put on its shelf, less what orders hold.",
    _conserved,
    lambda evidence: evidence.rows("stock"),
)
NO_OVERSELL = Checker(
    "no_oversell",
    "Stock never goes below zero, and an order gets all that it wants or nothing.",
    _not_oversold,
    reservations_of,
)
