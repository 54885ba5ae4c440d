"""The six promises seen from outside, on histories written by hand: kept, and broken each way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from chaos.kit import checkers as kit
from chaos.kit.evidence import Evidence
from chaos.kit.history import Op, Outcome
from chaos.kit.promises import anomalies_of
from chaos.real.promises import NOT_HERE, OURS, PROMISES
from chaos.real.shopkeeper import REBUILD
from chaos.shop.checkers import ANOMALIES, CHECKERS
from chaos.shop.checkers.by_hand import Story
from system.kit.values import dumps
from system.table import SHOP

PRICE = Decimal("0.07")


def op(
    method: str,
    path: str,
    outcome: Outcome = Outcome.OK,
    *,
    body: Any = None,
    answer: Mapping[str, Any] | None = None,
) -> Op:
    raw = b"" if answer is None else dumps(dict(answer))
    return Op("one", method, path, outcome, body=body, answer=raw, status=200)


LINE = {"product_id": 5, "quantity": 2, "unit_price": PRICE}
ORDER = {"id": 9, "user_id": 1, "items": [LINE], "total_amount": Decimal("0.14")}
SHOWN = {
    **ORDER,
    "items": [{**LINE, "product_name": "Thing"}],
    "status": "CREATED",
    "reservation": "reserved",
}
OFFERED = op("POST", "/products", answer={"id": 5, "stock": 10})
PLACED = op("POST", "/orders", body={"user_id": 1, "items": [LINE]}, answer=ORDER)
CANCELED = op("POST", "/orders/9/cancel", answer={"id": 9})


def evidence(*ops: Op, orders: Any = (SHOWN,), left: int = 8) -> Evidence:
    """Product 5 was offered with 10; order 9 was placed for 2 of it."""
    shown = {"orders": list(orders), "products": [{"id": 5, "stock": left}]}
    return Evidence(SHOP, history=(OFFERED, PLACED, *ops), shown=shown)


def found(evidence: Evidence) -> set[tuple[str, str]]:
    verdicts = kit.judge(evidence, OURS, ANOMALIES)
    return {(anomaly.checker, anomaly.name) for anomaly in anomalies_of(verdicts)}


def shown(**changes: Any) -> Mapping[str, Any]:
    return {**SHOWN, **changes}


RELEASED = shown(status="CANCELED", reservation="released")


def put(field: str, value: Any, outcome: Outcome = Outcome.OK, product: int = 5) -> Op:
    return op("PUT", f"/products/{product}", outcome, body={field: value})


def rebuilt(*generations: int, live: int, building: int | None = None) -> list[Op]:
    begun = [op("POST", REBUILD, answer={"generation": number}) for number in generations]
    end = {"live": live, "building": building, "failure": None}
    return [*begun, op("GET", REBUILD, answer=end)]


def with_products(*ops: Op, price: str = "9.90", left: int = 8) -> Evidence:
    """Product 5 is ordered; nobody orders product 6."""
    products = [
        {"id": 5, "price": Decimal(price), "stock": left},
        {"id": 6, "price": Decimal("9.90"), "stock": 3},
    ]
    return replace(evidence(*ops), shown={"orders": [SHOWN], "products": products})


INFO, FAIL = Outcome.INFO, Outcome.FAIL
UNANSWERED = replace(PLACED, outcome=Outcome.INFO, answer=b"", status=None)

KEPT = {
    "an order that lives": evidence(),
    "an order that was canceled": evidence(CANCELED, orders=[RELEASED], left=10),
    "an order that was deleted": evidence(op("DELETE", "/orders/9"), orders=[], left=10),
    "an order that may be deleted, and is": evidence(
        op("DELETE", "/orders/9", Outcome.INFO), orders=[], left=10
    ),
    "an order that may be deleted, and is not": evidence(op("DELETE", "/orders/9", Outcome.INFO)),
    "a cancellation that was refused": evidence(replace(CANCELED, outcome=Outcome.FAIL)),
    "a price that was set": with_products(put("price", Decimal("9.90"))),
    "a price that may have been set again": with_products(
        put("price", Decimal("9.90")), put("price", Decimal("8.00"), INFO)
    ),
    "a price that was set before the answer to another came": with_products(
        put("price", Decimal("9.90"), INFO), put("price", Decimal("8.00"))
    ),
    "stock of what nobody orders": with_products(
        put("stock", 9, product=6), put("stock", 3, product=6)
    ),
    "stock that was set and ordered from": with_products(put("stock", 20), left=17),
    "a rebuild that is live": evidence(*rebuilt(2, live=2)),
    "a rebuild and a later one": evidence(*rebuilt(2, 3, live=3)),
    "a rebuild that was refused": evidence(op("POST", REBUILD, FAIL), *rebuilt(live=1)),
    "an unanswered order that is there": replace(evidence(), history=(OFFERED, UNANSWERED)),
    "an unanswered order that is not": replace(
        evidence(orders=[], left=10), history=(OFFERED, UNANSWERED)
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_it_finds_nothing(name: str) -> None:
    assert found(KEPT[name]) == set()


BROKEN = {
    "an acknowledged order is not shown": (
        evidence(orders=[], left=10),
        ("acknowledged_is_shown", "missing view"),
    ),
    "it is gone, though its deletion was refused": (
        evidence(op("DELETE", "/orders/9", Outcome.FAIL), orders=[], left=10),
        ("acknowledged_is_shown", "missing view"),
    ),
    "it is shown with other items": (
        evidence(orders=[shown(items=[{**LINE, "quantity": 3}])], left=7),
        ("acknowledged_is_shown", "view differs"),
    ),
    "it is shown as somebody else's": (
        evidence(orders=[shown(user_id=2)]),
        ("acknowledged_is_shown", "view differs"),
    ),
    "an order is shown that nobody asked for": (
        evidence(orders=[SHOWN, shown(id=10, items=[{**LINE, "unit_price": PRICE * 2}])], left=6),
        ("nothing_unasked", "ghost in the views"),
    ),
    "a cancellation is forgotten": (
        evidence(CANCELED),
        ("acknowledged_is_shown", "acknowledged and lost"),
    ),
    "a canceled order keeps its stock": (
        evidence(CANCELED, orders=[shown(status="CANCELED")]),
        ("ended_things_hold_nothing", "held for nobody"),
    ),
    "a canceled order is not shown": (
        evidence(CANCELED, orders=[], left=10),
        ("acknowledged_is_shown", "acknowledged and lost"),
    ),
    "stock was taken and belongs to nobody": (
        evidence(CANCELED, orders=[RELEASED], left=8),
        ("amounts_are_held_by_things", "amount lost"),
    ),
    "stock was given back and is still held": (
        evidence(left=10),
        ("amounts_are_held_by_things", "amount made"),
    ),
    "a price that was set is forgotten": (
        with_products(put("price", Decimal("9.90")), put("price", Decimal("8.00"))),
        ("acknowledged_is_shown", "acknowledged and lost"),
    ),
    "a price that was refused is shown": (
        with_products(put("price", Decimal("8.00")), put("price", Decimal("9.90"), FAIL)),
        ("acknowledged_is_shown", "acknowledged and lost"),
    ),
    "the stock of what nobody orders is another": (
        with_products(put("stock", 4, product=6)),
        ("acknowledged_is_shown", "acknowledged and lost"),
    ),
    "a rebuild never ends": (
        evidence(*rebuilt(2, live=1, building=2)),
        ("rebuild_comes_to_its_end", "no rest"),
    ),
    "nobody says what became of a rebuild": (
        evidence(*rebuilt(2, live=2)[:-1]),
        ("rebuild_comes_to_its_end", "no rest"),
    ),
    "a rebuild is given up": (
        evidence(*rebuilt(2, live=1)),
        ("rebuild_comes_to_its_end", "acknowledged and lost"),
    ),
    "more was sold than there was": (
        evidence(orders=[shown(items=[{**LINE, "quantity": 11}])], left=-1),
        ("never_negative", "below zero"),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_it_finds(name: str) -> None:
    broken, expected = BROKEN[name]
    assert expected in found(broken)


def test_views_of_a_system_that_did_not_come_to_rest_are_not_judged() -> None:
    for broken, _ in BROKEN.values():
        unrested = replace(broken, missing=["2 events are in the outbox"])
        judged = kit.judge(unrested, OURS, ANOMALIES)
        assert {verdict.outcome for verdict in judged} == {"not judged"}


def test_every_anomaly_is_explained() -> None:
    assert {name for _, (_, name) in BROKEN.values()} <= ANOMALIES.keys()


def test_only_checkers_that_exist_are_left_out() -> None:
    assert NOT_HERE.keys() <= CHECKERS.keys()
    assert PROMISES.keys() == CHECKERS.keys() - NOT_HERE.keys() | {one.name for one in OURS}


def test_a_message_that_is_not_as_promised_is_found_here_too() -> None:
    """Its header is missing: our own consumers read it all the same."""
    story = Story()
    (paid, *_) = story.log["order.paid"]
    headers = tuple(header for header in paid.message.headers if header[0] != "event-type")
    story.append(replace(paid.message, headers=headers))

    judged = kit.judge(story.evidence(), [PROMISES["messages_as_promised"]], ANOMALIES)
    (seen,) = anomalies_of(judged)

    assert (seen.name, "event-type" in seen.seen) == ("broken contract", True)
