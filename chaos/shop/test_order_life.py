"""The checkers judge an order's steps by the table of docs/order-life.md, which the code is held against."""

from __future__ import annotations

from collections import defaultdict

from chaos.shop.checkers.orders import FOLLOWS
from scenarios.repository.order_life import CLIENTS, steps
from system.events import OrderCreated


def test_each_event_follows_from_the_states_that_the_page_says() -> None:
    told: dict[str, set[tuple[str, bool]]] = defaultdict(set)
    for step in steps(CLIENTS):
        told[step.event].add((step.before, step.is_paid))

    allowed = {type: set(states) for type, states in FOLLOWS.items() if type != OrderCreated.type}
    assert allowed == told, "FOLLOWS in chaos/shop/checkers/orders.py is the page's first table"
