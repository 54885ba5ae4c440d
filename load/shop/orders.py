"""What an order is to the judge: its facts, what it holds, and what its states mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from load.kit.evidence import Facts
from load.kit.promises import MAKING, Thing
from system.orders.views import OrderResource

PAY, CANCEL = "pay", "cancel"
Order = Mapping[str, Any]  # an order as the APIs answer it

STATUS = {"CREATED": 0, "PROCESSING": 1, "PAID": 1, "CANCELED": 2}
_RESERVATION = {"pending": 0, "reserved": 1, "released": 2, "rejected": 2}
_ENDED = ("released", "rejected")
_MADE = ("id", "items", "total_amount")
"""Of these `made` tells."""
_ALIKE = tuple(name for name in OrderResource.model_fields if name not in _MADE)


def cents(amount: Decimal | float) -> int:
    """Of an amount as JSON has it. A float is exact enough for prices."""
    return round(amount * 100)


def made(order: Order) -> Facts:
    """What an order is from its first answer on, for ever."""
    return {
        "user_id": order["user_id"],
        "lines": [[item["product_id"], item["quantity"]] for item in order["items"]],
        "cents": cents(order["total_amount"]),
        "created_at": order["created_at"],
    }


def state(order: Order) -> Facts:
    """What may change of it, and is looked at."""
    return {name: order[name] for name in ("status", "paid", "reservation")}


def thing(order: Order) -> Thing:
    """The order as one side shows it. Its first price is the mark of its request."""
    facts = {**{name: order[name] for name in _ALIKE}, **made(order)}
    held: Counter[int] = Counter()
    if order["reservation"] == "reserved":
        for item in order["items"]:
            held[item["product_id"]] += item["quantity"]
    return Thing(order["id"], cents(order["items"][0]["unit_price"]), facts, held)


class OrderRules:
    """The transition table, as far as it can be seen from outside."""

    def follows(self, step: str, facts: Facts) -> bool:
        match step:
            case "pay":
                return bool(facts["paid"])
            case "cancel":
                return bool(facts["status"] == "CANCELED")
            case _:
                return step == MAKING

    def ends_well(self, facts: Facts) -> bool:
        """An order lives with its stock reserved, or has ended and holds none."""
        is_canceled = facts["status"] == "CANCELED"
        is_right = (
            facts["reservation"] in _ENDED if is_canceled else facts["reservation"] == "reserved"
        )
        return is_right and facts["refund_due"] == (is_canceled and facts["paid"])

    def rank(self, facts: Facts) -> tuple[int, ...]:
        return STATUS[facts["status"]], int(facts["paid"]), _RESERVATION[facts["reservation"]]
