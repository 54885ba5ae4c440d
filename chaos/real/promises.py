"""Promises seen from outside alone: what clients were told, against what the query side shows.

The checkers of `chaos.shop.checkers` judge rows, events and views. These six judge nothing but
requests and answers, as anybody could who has no access to the stores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from chaos.kit.evidence import Evidence
from chaos.kit.history import Op, Outcome
from chaos.real.shopkeeper import REBUILD
from chaos.shop.checkers import CHECKERS, Anomaly, Checker

NOT_HERE = {
    "single_effect": "counts with a probe handler that only the simulation has",
    "handled_is_remembered": "wants the probe handler's rows in the inbox",
    "duplicates_within_budget": "its budget is the simulation's: a relay has 500 rows in hand here",
}
"""Checkers of the simulated world that this one cannot use, and why."""


def _acknowledged(evidence: Evidence) -> Mapping[int, Op]:
    return {
        op.json["id"]: op
        for op in evidence.history
        if op.ok and op.method == "POST" and op.path == "/orders"
    }


def _shown(evidence: Evidence) -> Mapping[int, Mapping[str, Any]]:
    return {order["id"]: order for order in evidence.shown.get("orders", ())}


def _may_be_deleted(evidence: Evidence) -> set[int]:
    return {
        int(op.path.split("/")[2])
        for op in evidence.history
        if op.method == "DELETE"
        and op.path.startswith("/orders/")
        and op.outcome is not Outcome.FAIL
    }


def _acknowledged_is_shown(evidence: Evidence) -> Iterator[Anomaly]:
    shown, may_be_gone = _shown(evidence), _may_be_deleted(evidence)
    for id, op in sorted(_acknowledged(evidence).items()):
        order = shown.get(id)
        if order is None:
            if id not in may_be_gone:
                yield Anomaly("missing view", f"order {id}, acknowledged: {op}")
            continue
        for field in ("user_id", "items", "total_amount"):
            if _bare(order[field]) != _bare(op.json[field]):
                yield Anomaly(
                    "view differs", f"order {id}.{field}: {order[field]}, {op.json[field]}"
                )


def _bare(value: Any) -> Any:  # JSON values
    """Without the names that the query side adds."""
    if isinstance(value, list):
        return [{name: part[name] for name in part if name != "product_name"} for part in value]
    return value


def _asked_for(evidence: Evidence) -> Iterator[Anomaly]:
    """Each basket has prices of its own, so an order tells which request it came from."""
    asked = {
        (op.body["user_id"], op.body["items"][0]["unit_price"])
        for op in evidence.history
        if op.method == "POST" and op.path == "/orders"
    }
    for id, order in sorted(_shown(evidence).items()):
        if (order["user_id"], order["items"][0]["unit_price"]) not in asked:
            yield Anomaly("ghost in the views", f"order {id}, which nobody asked for")


def _canceled(evidence: Evidence) -> list[Op]:
    return [op for op in evidence.history if op.ok and op.path.endswith("/cancel")]


def _canceled_is_canceled(evidence: Evidence) -> Iterator[Anomaly]:
    shown, may_be_gone = _shown(evidence), _may_be_deleted(evidence)
    for op in _canceled(evidence):
        id = int(op.path.split("/")[2])
        order = shown.get(id)
        if order is None:
            if id not in may_be_gone:
                yield Anomaly("missing view", f"order {id}, canceled: {op}")
        elif order["status"] != "CANCELED":
            yield Anomaly("acknowledged and lost", f"order {id} is {order['status']}: {op}")
        elif order["reservation"] not in ("released", "rejected"):
            yield Anomaly("held for nobody", f"order {id}, canceled, is {order['reservation']}")


def _stock_adds_up(evidence: Evidence) -> Iterator[Anomaly]:
    """What is left is what was offered, less what orders hold: by answers alone.

    Of a product whose stock was set in between, only rows and events can tell.
    """
    offered = {
        op.json["id"]: op.json["stock"]
        for op in evidence.history
        if op.ok and op.method == "POST" and op.path == "/products"
    }
    held: Counter[int] = Counter()
    for order in _shown(evidence).values():
        if order["reservation"] == "reserved":
            for item in order["items"]:
                held[item["product_id"]] += item["quantity"]
    for product in evidence.shown.get("products", ()):
        id, left = product["id"], product["stock"]
        if left < 0:
            yield Anomaly("oversold", f"product {id}: {left}")
        if _put(evidence, id, "stock"):
            continue
        due = offered.get(id, left) - held[id]
        if left != due:
            name = "stock made" if left > due else "stock lost"
            yield Anomaly(
                name, f"product {id}: {left} shown, {offered[id]} offered, {held[id]} held"
            )


def _put(evidence: Evidence, product_id: int, field: str) -> list[Op]:
    """The requests that set this field of a product, or may have done."""
    return [
        op
        for op in evidence.history
        if (op.method, op.path) == ("PUT", f"/products/{product_id}")
        and field in op.body
        and op.outcome is not Outcome.FAIL
    ]


def _set(evidence: Evidence) -> list[Op]:
    return [
        op for op in evidence.history if op.method == "PUT" and op.path.startswith("/products/")
    ]


def _as_it_was_set(evidence: Evidence) -> Iterator[Anomaly]:
    """One client alone sets prices and stock, and does one thing after the other."""
    ordered = {
        item["product_id"]
        for op in evidence.history
        if op.method == "POST" and op.path == "/orders"
        for item in op.body["items"]
    }
    for product in evidence.shown.get("products", ()):
        for field in ("price", "stock"):
            ops = _put(evidence, product["id"], field)
            acknowledged = [op.body[field] for op in ops if op.ok]
            if not acknowledged or (field == "stock" and product["id"] in ordered):
                continue
            unanswered = [op.body[field] for op in ops if not op.ok]
            if product[field] not in [acknowledged[-1], *unanswered]:
                yield Anomaly(
                    "acknowledged and lost",
                    f"product {product['id']}.{field}: {product[field]}, set to {acknowledged[-1]}",
                )


def _begun(evidence: Evidence) -> list[int]:
    """The generations of all rebuilds."""
    return [
        op.json["generation"]
        for op in evidence.history
        if op.ok and (op.method, op.path) == ("POST", REBUILD)
    ]


def _rebuilds_end(evidence: Evidence) -> Iterator[Anomaly]:
    begun = _begun(evidence)
    looks = [
        op.json for op in evidence.history if op.ok and (op.method, op.path) == ("GET", REBUILD)
    ]
    if not begun:
        return
    end: Mapping[str, Any] = looks[-1] if looks else {}
    if not end or end["building"] is not None:
        yield Anomaly("no rest", f"the rebuild as generation {begun[-1]} did not end: {end}")
    elif end["live"] < max(begun):
        yield Anomaly(
            "acknowledged and lost", f"generation {max(begun)} was begun: {end['failure']}, {end}"
        )


OURS = (
    Checker(
        "acknowledged_order_is_shown",
        "Every order that was acknowledged is shown as it was, unless somebody deleted it.",
        _acknowledged_is_shown,
        _acknowledged,
        at_rest=True,
    ),
    Checker(
        "nothing_unasked_is_shown",
        "Every order that is shown was asked for.",
        _asked_for,
        _shown,
        at_rest=True,
    ),
    Checker(
        "canceled_order_has_no_stock",
        "An order whose cancellation was acknowledged is shown so, and holds no stock.",
        _canceled_is_canceled,
        _canceled,
        at_rest=True,
    ),
    Checker(
        "stock_adds_up",
        "What is shown as left is what was offered, less what shown orders hold.",
        _stock_adds_up,
        lambda evidence: evidence.shown.get("products", ()),
        at_rest=True,
    ),
    Checker(
        "products_are_as_they_were_set",
        "A price, and the stock of what nobody orders, is shown as it was set last.",
        _as_it_was_set,
        _set,
        at_rest=True,
    ),
    Checker(
        "rebuild_comes_to_its_end",
        "A rebuild of the views that was begun is what readers see, or a later one.",
        _rebuilds_end,
        _begun,
        at_rest=True,
    ),
)
PROMISES: Mapping[str, Checker] = {
    **{name: checker for name, checker in CHECKERS.items() if name not in NOT_HERE},
    **{checker.name: checker for checker in OURS},
}
