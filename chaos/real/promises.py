"""Promises seen from outside alone: what clients were told, against what the query side shows.

The checkers of `chaos.shop.checkers` judge rows, events and views. These six judge requests and
answers, as anybody could who has no access to the stores; three of them beside the stores.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from chaos.kit.checkers import Check
from chaos.kit.evidence import Evidence
from chaos.kit.history import Op, Outcome
from chaos.kit.promises import Cases, Promise, amounts, catalog, commands, rest, views
from chaos.kit.promises.amounts import Holding
from chaos.kit.promises.commands import Acknowledged
from chaos.real.shopkeeper import REBUILD
from chaos.shop.checkers import CHECKERS, Checker

NOT_HERE = {
    "one_effect_per_cause": "counts with a probe handler that only the simulation has",
    "events_have_their_effect": "counts with the same probe handler",
    "handled_is_remembered": "wants the probe handler's rows in the inbox",
    "published_once": "its budget is the simulation's: a relay has 500 rows in hand here",
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


def _acknowledged_is_shown(evidence: Evidence) -> Cases:
    """Each as it was answered, unless somebody may have deleted it."""
    shown, may_be_gone = _shown(evidence), _may_be_deleted(evidence)
    acknowledged = {
        f"order {id}": _facts(op.json)
        for id, op in _acknowledged(evidence).items()
        if id in shown or id not in may_be_gone
    }
    viewed = {f"order {id}": _facts(order) for id, order in shown.items()}
    return views.sides_agree(
        acknowledged, {name: viewed[name] for name in acknowledged if name in viewed}
    )


def _facts(order: Mapping[str, Any]) -> views.Shown:
    return {field: _bare(order[field]) for field in ("user_id", "items", "total_amount")}


def _bare(value: Any) -> Any:  # JSON values
    """Without the names that the query side adds."""
    if isinstance(value, list):
        return [{name: part[name] for name in part if name != "product_name"} for part in value]
    return value


def _asked_for(evidence: Evidence) -> Cases:
    """Each basket has prices of its own, so an order tells which request it came from."""
    asked = {
        (op.body["user_id"], op.body["items"][0]["unit_price"])
        for op in evidence.history
        if op.method == "POST" and op.path == "/orders"
    }
    return commands.nothing_unasked(
        (
            (
                (order["user_id"], order["items"][0]["unit_price"]),
                f"order {id}",
                f"order {id} is shown",
            )
            for id, order in sorted(_shown(evidence).items())
        ),
        asked,
        name="ghost in the views",
    )


def _canceled(evidence: Evidence) -> list[Op]:
    return [op for op in evidence.history if op.ok and op.path.endswith("/cancel")]


def _canceled_is_shown(evidence: Evidence) -> Cases:
    shown, may_be_gone = _shown(evidence), _may_be_deleted(evidence)
    for op in _canceled(evidence):
        id = int(op.path.split("/")[2])
        order = shown.get(id)
        if order is None:
            wrong = "" if id in may_be_gone else "it is not shown"
        else:
            wrong = "" if order["status"] == "CANCELED" else f"it is {order['status']}"
        yield from commands.acknowledged_is_kept([Acknowledged(str(op), f"order {id}", wrong)])


def _canceled_holds_nothing(evidence: Evidence) -> Cases:
    shown = _shown(evidence)
    canceled = {int(op.path.split("/")[2]) for op in _canceled(evidence)}
    for id in sorted(canceled & shown.keys()):
        order = shown[id]
        held = {} if order["reservation"] in ("released", "rejected") else _wanted(order)
        state = f"{order['status']}, {order['reservation']}"
        yield from amounts.hold_what_is_due([Holding(f"order {id}", state, held, {})])


def _wanted(order: Mapping[str, Any]) -> Mapping[int, int]:
    wanted: Counter[int] = Counter()
    for item in order["items"]:
        wanted[item["product_id"]] += item["quantity"]
    return wanted


def _stock_adds_up(evidence: Evidence) -> Cases:
    """What is left is what was offered, less what orders hold: by answers alone.

    Of a product whose stock was set in between, only rows and events can tell.
    """
    offered = {
        op.json["id"]: op.json["stock"]
        for op in evidence.history
        if op.ok and op.method == "POST" and op.path == "/products"
    }
    left = {product["id"]: product["stock"] for product in evidence.shown.get("products", ())}
    known = {id: offered[id] for id in left if id in offered and not _put(evidence, id, "stock")}
    held = [
        {id: -count for id, count in _wanted(order).items() if id in known}
        for order in _shown(evidence).values()
        if order["reservation"] == "reserved"
    ]
    return amounts.conserved(known, held, left, what="product")


def _never_negative(evidence: Evidence) -> Cases:
    left = {product["id"]: [product["stock"]] for product in evidence.shown.get("products", ())}
    return amounts.never_negative(left, what="product")


def _put(evidence: Evidence, product_id: int, field: str) -> list[Op]:
    """The requests that set this field of a product, or may have done."""
    return [
        op
        for op in evidence.history
        if (op.method, op.path) == ("PUT", f"/products/{product_id}")
        and field in op.body
        and op.outcome is not Outcome.FAIL
    ]


def _as_it_was_set(evidence: Evidence) -> Cases:
    return commands.acknowledged_is_kept(_settings(evidence))


def _settings(evidence: Evidence) -> Iterator[Acknowledged]:
    """One client alone sets prices and stock, and does one thing after the other."""
    ordered = {
        item["product_id"]
        for op in evidence.history
        if op.method == "POST" and op.path == "/orders"
        for item in op.body["items"]
    }
    for product in evidence.shown.get("products", ()):
        id = product["id"]
        for field in ("price", "stock"):
            ops = _put(evidence, id, field)
            acknowledged = [op for op in ops if op.ok]
            if not acknowledged or (field == "stock" and id in ordered):
                continue
            allowed = [acknowledged[-1].body[field], *(op.body[field] for op in ops if not op.ok)]
            wrong = "" if product[field] in allowed else f"it is {product[field]}"
            setting = f"{acknowledged[-1]} of {field} {allowed[0]}"
            yield Acknowledged(setting, f"product {id}", wrong)


def _begun(evidence: Evidence) -> list[int]:
    """The generations of all rebuilds."""
    return [
        op.json["generation"]
        for op in evidence.history
        if op.ok and (op.method, op.path) == ("POST", REBUILD)
    ]


def _rebuilds_end(evidence: Evidence) -> Cases:
    begun = _begun(evidence)
    looks = [
        op.json for op in evidence.history if op.ok and (op.method, op.path) == ("GET", REBUILD)
    ]
    if not begun:
        return
    end: Mapping[str, Any] = looks[-1] if looks else {}
    if not end or end["building"] is not None:
        what = f"the rebuild as generation {begun[-1]} did not end: {end}"
        yield from rest.rest_is_reached([what])
    else:
        wrong = "" if end["live"] >= max(begun) else f"it is not live: {end['failure']}, {end}"
        rebuild = Acknowledged(f"generation {max(begun)}", "", wrong)
        yield from commands.acknowledged_is_kept([rebuild])


def _by_answers_too(promise: Promise, check: Check) -> Checker:
    """What the stores are judged by, judged once more by what readers are shown at rest."""
    return replace(CHECKERS[promise.name].also(check), at_rest=True)


OURS = (
    Checker(catalog.ACKNOWLEDGED_IS_SHOWN, _acknowledged_is_shown, at_rest=True).also(
        _canceled_is_shown, _as_it_was_set
    ),
    Checker(catalog.NOTHING_UNASKED, _asked_for, at_rest=True),
    _by_answers_too(catalog.ENDED_THINGS_HOLD_NOTHING, _canceled_holds_nothing),
    _by_answers_too(catalog.AMOUNTS_ARE_HELD_BY_THINGS, _stock_adds_up),
    _by_answers_too(catalog.NEVER_NEGATIVE, _never_negative),
    Checker(
        Promise(
            "rebuild_comes_to_its_end",
            "A rebuild of the views that was begun is what readers see, or a later one.",
        ),
        _rebuilds_end,
        at_rest=True,
    ),
)
PROMISES: Mapping[str, Checker] = {
    **{name: checker for name, checker in CHECKERS.items() if name not in NOT_HERE},
    **{checker.name: checker for checker in OURS},
}
