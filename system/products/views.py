"""What the query side shows of products: `self`, and `stock` with a version of its own."""

from __future__ import annotations

from collections.abc import Iterable

from system.events import ProductDeleted, ProductEvent, StockMoved
from system.ports.views import Put

VIEW = "products"


def product(event: ProductEvent) -> Iterable[Put]:
    told = event.product
    fields = {
        "name": told.name,
        "price": told.price,
        "created_at": told.created_at,
        "updated_at": told.updated_at,
    }
    yield Put(VIEW, told.id, "self", event.version, fields)
    yield Put(VIEW, told.id, "stock", event.stock_version, {"stock": told.stock})


def product_gone(event: ProductDeleted) -> Iterable[Put]:
    yield Put(VIEW, event.product_id, "self", event.version, None)
    yield Put(VIEW, event.product_id, "stock", event.stock_version, None)


def stock(event: StockMoved) -> Iterable[Put]:
    yield Put(VIEW, event.product_id, "stock", event.stock_version, {"stock": event.stock})
