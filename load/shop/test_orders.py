"""What load knows of orders is all that there is to know."""

from __future__ import annotations

from load.shop.orders import STATUS
from system.events import OrderStatus


def test_each_status_has_its_place() -> None:
    wrong = STATUS.keys() ^ {*OrderStatus}
    assert not wrong, f"say in STATUS of load/shop/orders.py how far along an order is: {wrong}"
