"""The HTTP API of products and their stock: load, decide, save and emit."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from system.kit.commands.group_commit import Commands
from system.kit.errors import NotFound, StillReferred
from system.kit.http.bodies import Body, Maybe, Name, PartialBody
from system.kit.http.paging import Page, PageBody
from system.kit.http.preconditions import NOTHING_DEMANDED
from system.kit.http.resources import Resource
from system.kit.http.route import Answer, Request, Route, Tag, tagged
from system.kit.ports.work import UnitOfWork, UnitOfWorkFactory
from system.kit.values import WHOLE, Price
from system.products import store
from system.products.model import (
    NoSuchProduct,
    Offered,
    OfferProduct,
    Product,
    Stock,
    UpdateProduct,
    offer,
    remove,
    update,
)
from system.products.views import PRODUCTS, VIEW, ProductResource

STOCK_MAX = 1_000_000_000
Units = Annotated[int, Field(ge=0, le=STOCK_MAX), WHOLE]


class NewProduct(Body):
    name: Name
    price: Price
    stock: Units


class ProductChanges(PartialBody):
    name: Maybe[Name] = None
    price: Maybe[Price] = None
    stock: Maybe[Units] = None


class ProductPage(PageBody):
    products: list[ProductResource]


TAG = Tag(VIEW, "What is offered, and how much of it may still be sold.", view=PRODUCTS)


def routes(work: UnitOfWorkFactory, commands: Commands) -> list[Route]:
    api = ProductApi(work)
    calls = [
        Route(
            "POST",
            "/products",
            "Offer a product",
            commands.each(api.offer),
            body=NewProduct,
            example={"name": "Phone", "price": 5999.99, "stock": 10},
            status=201,
            answers=ProductResource,
            idempotent_by_key=True,
        ),
        Route("GET", "/products", "List products", api.page, query=Page, answers=ProductPage),
        Route(
            "GET",
            "/products/{id}",
            "Show a product and what is left of it",
            api.show,
            answers=ProductResource,
            problems=(NotFound,),
        ),
        Route(
            "PUT",
            "/products/{id}",
            "Change a product, or set what is left of it",
            commands.each(api.update),
            body=ProductChanges,
            example={"price": 5499.99, "stock": 15},
            answers=ProductResource,
            problems=(NotFound,),
        ),
        Route(
            "DELETE",
            "/products/{id}",
            "Remove a product to which no order refers",
            commands.each(api.remove),
            status=204,
            problems=(NotFound, StillReferred),
        ),
    ]
    return tagged(TAG, calls)


PRODUCT: Resource[Offered] = Resource(
    "product",
    VIEW,
    id=lambda offered: offered[0].id,
    shown=lambda offered: _shown(*offered),
    versions=lambda offered: {"self": offered[0].version, "stock": offered[1].version},
    missing=NoSuchProduct,
)


class ProductApi:
    def __init__(self, work: UnitOfWorkFactory) -> None:
        self._work = work

    async def offer(self, request: Request, unit: UnitOfWork) -> Answer:
        body = request.body
        command = OfferProduct(body.name, body.price, body.stock)
        id = await store.insert(unit, command)
        return PRODUCT.emit_created(offer(id, command, unit.now), request, unit)

    async def page(self, request: Request) -> Answer:
        query = request.query
        async with self._work() as unit:
            offered = await store.page(unit, after=query.after, limit=query.limit + 1)
        return await PRODUCT.page(offered, query.limit)

    async def show(self, request: Request) -> Answer:
        async with self._work() as unit:
            return PRODUCT.answer(PRODUCT.there(request, await store.find(unit, request.id)))

    async def update(self, request: Request, unit: UnitOfWork) -> Answer:
        body = request.body
        command = UpdateProduct(body.name, body.price, body.stock)
        with_stock = command.stock is not None
        offered = await _lock(request, unit, with_stock=with_stock)

        async def save(unit: UnitOfWork, offered: Offered) -> None:
            product, stock = offered
            await store.save(unit, product)
            await store.save_stock(unit, [stock] if with_stock else [])

        return await PRODUCT.save_changed(update(offered, command, unit.now), request, unit, save)

    async def remove(self, request: Request, unit: UnitOfWork) -> Answer:
        offered = await _lock(request, unit, with_stock=True)
        return await PRODUCT.save_removed(remove(offered, unit.now), request, unit, store.remove)


async def _lock(request: Request, unit: UnitOfWork, *, with_stock: bool) -> Offered:
    """Lock what is to be changed, and all of what the request demands something of."""
    demands = request.precondition != NOTHING_DEMANDED
    found = await store.lock(unit, request.id, with_stock=with_stock or demands)
    return PRODUCT.demanded(request, found)


def _shown(product: Product, stock: Stock) -> dict[str, Any]:  # JSON values of several types
    return {
        "id": product.id,
        "name": product.name,
        "price": product.price,
        "stock": stock.on_hand,
        "created_at": product.created_at,
        "updated_at": product.updated_at,
    }
