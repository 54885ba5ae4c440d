"""What the query side shows of products: `self`, and `stock` with a version of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from system import events
from system.events import ProductDeleted, ProductEvent, StockMoved
from system.kit.http.paging import Page
from system.kit.ports.views import Document, Put, Related, View
from system.kit.values import Id, Price, Time

VIEW = "products"
_DEFAULTS = events.Product.defaults()


class ProductResource(BaseModel):
    """A product, as both sides show it; `stock` is what may still be sold."""

    id: Id
    name: str
    price: Price
    stock: int
    created_at: Time
    updated_at: Time


def product(event: ProductEvent) -> Iterable[Put]:
    product = event.product
    fields = product.model_dump(exclude={"id", "stock"})
    yield Put(VIEW, product.id, "self", event.version, fields)
    yield Put(VIEW, product.id, "stock", event.stock_version, {"stock": product.stock})


def product_gone(event: ProductDeleted) -> Iterable[Put]:
    yield Put(VIEW, event.product_id, "self", event.version, None)
    yield Put(VIEW, event.product_id, "stock", event.stock_version, None)


def stock(event: StockMoved) -> Iterable[Put]:
    yield Put(VIEW, event.product_id, "stock", event.stock_version, {"stock": event.stock})


def show(document: Document, _: Related) -> Mapping[str, Any]:  # values of several types
    shown = {
        "id": document.key,
        **_DEFAULTS,
        **(document.parts["self"] or {}),
        **(document.parts["stock"] or {}),
    }
    return {name: shown[name] for name in ProductResource.model_fields}


PRODUCTS = View(
    VIEW,
    parts=("self", "stock"),
    required=("self", "stock"),
    show=show,
    resource=ProductResource,
    filters=Page,
)
