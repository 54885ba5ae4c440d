"""Stock: never below zero, never made or lost, reserved for an order wholly or not at all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from chaos.kit.checkers import Anomaly, Checker
from chaos.kit.evidence import Evidence
from chaos.kit.promises import Cases, amounts, catalog
from chaos.kit.promises.amounts import Holding
from chaos.shop.checkers.orders import living
from chaos.shop.evidence import lines_of, placed_in, reservations_of


def _conserved(evidence: Evidence) -> Cases:
    """By the events of the stock."""
    moves = [
        {event.product_id: event.quantity * (-1 if event.type == "stock.reserved" else 1)}
        for event in evidence.events("stock.reserved", "stock.released")
    ]
    return _adds_up(evidence, moves)


def _held(evidence: Evidence) -> Cases:
    """By what orders hold: their reservations."""
    reserved = (
        lines_of(row) for row in reservations_of(evidence).values() if row["state"] == "reserved"
    )
    moves = [{id: -count for id, count in lines.items()} for lines in reserved]
    return _adds_up(evidence, moves)


def _adds_up(evidence: Evidence, moves: Iterable[Mapping[int, int]]) -> Cases:
    """Of a product that is gone nothing is shown."""
    left = {row["product_id"]: row["on_hand"] for row in evidence.rows("stock")}
    put = Counter(dict.fromkeys(left, 0))
    for event in evidence.events("product.created"):
        put[event.product.id] += event.product.stock
    for event in evidence.events("product.updated"):
        put[event.product.id] += event.stock_change
    return amounts.conserved(
        {id: put[id] for id in left},
        ({id: count for id, count in lines.items() if id in left} for lines in moves),
        left,
        what="product",
    )


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


def _not_oversold(evidence: Evidence) -> Cases:
    left = {row["product_id"]: [row["on_hand"]] for row in evidence.rows("stock")}
    return amounts.never_negative(left, what="product")


def _rejected_for_nothing(evidence: Evidence) -> Iterator[Anomaly]:
    for event in evidence.events("stock.rejected"):
        for missing in event.missing:
            if missing.left >= missing.wanted:
                yield Anomaly(
                    "needless rejection",
                    f"order {event.order_id}: {missing.wanted} wanted, {missing.left} left",
                )


def _all_or_nothing(evidence: Evidence) -> Cases:
    return amounts.hold_what_is_due(_holdings(evidence))


def _holdings(evidence: Evidence) -> Iterator[Holding[int]]:
    """What a reservation has of each product, against the order and against its events."""
    told: dict[int, Counter[int]] = defaultdict(Counter)
    for event in evidence.events("stock.reserved"):
        told[event.order_id][event.product_id] += event.quantity
    for id, row in reservations_of(evidence).items():
        order, state, lines = f"order {id}", row["state"], lines_of(row)
        if state == "rejected":
            yield Holding(order, state, lines, {})
            continue
        if (wanted := _wanted(evidence, id)) is not None:
            yield Holding(order, state, lines, wanted)
        yield Holding(order, f"{state}, by its events,", told[id], lines)


def _wanted(evidence: Evidence, order_id: int) -> Mapping[int, int] | None:
    placed = placed_in(evidence).get(order_id)
    if placed is None:
        return None
    wanted: Counter[int] = Counter()
    for item in placed.order.items:
        wanted[item.product_id] += item.quantity
    return dict(wanted)


CONSERVED = Checker(catalog.AMOUNTS_CONSERVED, _conserved).also(_chains)
HELD = Checker(catalog.AMOUNTS_ARE_HELD_BY_THINGS, _held)
NEVER_NEGATIVE = Checker(catalog.NEVER_NEGATIVE, _not_oversold)
"""With the two above it says all that `never_more_than_there_is` does, which needs no stock shown."""
WHOLLY = Checker(catalog.THINGS_HOLD_WHAT_THEY_TOOK, _all_or_nothing).also(
    living, _rejected_for_nothing
)
