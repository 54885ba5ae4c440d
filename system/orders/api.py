"""The HTTP API of orders: load, decide, save and emit. Placing orders is the hot path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from system.events import OrderStatus
from system.kit.commands.group_commit import Commands
from system.kit.errors import DomainError, NotFound, Overloaded
from system.kit.http.bodies import Body, Items, Maybe, PartialBody, PaymentMethod, Reason
from system.kit.http.paging import PageBody
from system.kit.http.resources import Resource, fields_of
from system.kit.http.route import Answer, Request, Route, Tag, tagged
from system.kit.locks import Place, RowLocked
from system.kit.ports.work import UnitOfWork, UnitOfWorkFactory
from system.kit.values import WHOLE, Id, Price
from system.orders import store
from system.orders.model import (
    Draft,
    Line,
    NoSuchOrder,
    Order,
    PlaceOrder,
    TransitionForbidden,
    UnknownProduct,
    UnknownUser,
    cancel,
    draft,
    pay,
    place,
    remove,
    set_status,
)
from system.orders.views import ORDERS, VIEW, OrderResource, OrdersPage

ITEMS_MAX = 100
QUANTITY_MAX = 1_000_000
Quantity = Annotated[int, Field(ge=1, le=QUANTITY_MAX), WHOLE]


class NewItem(Body):
    product_id: Id
    quantity: Quantity
    unit_price: Maybe[Price] = None


class NewOrder(Body):
    user_id: Id
    items: Annotated[tuple[NewItem, ...], Items(at_most=ITEMS_MAX)]


class OrderChanges(PartialBody):
    status: Maybe[OrderStatus] = None


class Payment(Body):
    payment_method: PaymentMethod


class Cancellation(Body):
    reason: Maybe[Reason] = None


class OrderPage(PageBody):
    orders: list[OrderResource]


TAG = Tag(VIEW, "Orders: placed, paid, processed, canceled, removed.", view=ORDERS)


def routes(work: UnitOfWorkFactory, commands: Commands) -> list[Route]:
    api = OrderApi(work)
    there = (NotFound,)
    allowed = (NotFound, TransitionForbidden)
    calls = [
        Route(
            "POST",
            "/orders",
            "Place an order",
            commands.shared(api.place_all),
            body=NewOrder,
            example={
                "user_id": 1,
                "items": [{"product_id": 1, "quantity": 2, "unit_price": 5999.99}],
            },
            status=201,
            answers=OrderResource,
            problems=(UnknownUser, UnknownProduct, Overloaded),
            idempotent_by_key=True,
        ),
        Route("GET", "/orders", "List orders", api.page, query=OrdersPage, answers=OrderPage),
        Route(
            "GET", "/orders/{id}", "Show an order", api.show, answers=OrderResource, problems=there
        ),
        Route(
            "PUT",
            "/orders/{id}",
            "Begin to process an order",
            commands.each(api.set_status),
            body=OrderChanges,
            example={"status": "PROCESSING"},
            answers=OrderResource,
            problems=allowed,
        ),
        Route(
            "POST",
            "/orders/{id}/pay",
            "Pay for an order",
            commands.each(api.pay),
            body=Payment,
            example={"payment_method": "credit_card"},
            answers=OrderResource,
            problems=allowed,
            idempotent_by_key=True,
        ),
        Route(
            "POST",
            "/orders/{id}/cancel",
            "Cancel an order that nobody works on yet",
            commands.each(api.cancel),
            body=Cancellation,
            example={"reason": "ordered twice"},
            answers=OrderResource,
            problems=allowed,
            idempotent_by_key=True,
        ),
        Route(
            "DELETE",
            "/orders/{id}",
            "Remove an order, in whatever state",
            commands.each(api.remove),
            status=204,
            problems=there,
        ),
    ]
    return tagged(TAG, calls)


_fields = fields_of(OrderResource)


def _shown(order: Order) -> dict[str, Any]:  # JSON values of several types
    return {**_fields(order), "items": [item.model_dump() for item in order.items]}


def _versions(order: Order) -> dict[str, int]:
    noted = {"reservation": order.reservation_version} if order.reservation_version else {}
    return {"self": order.version, **noted}


ORDER: Resource[Order] = Resource(
    "order",
    VIEW,
    id=lambda order: order.id,
    shown=_shown,
    versions=_versions,
    missing=NoSuchOrder,
)


class OrderApi:
    def __init__(self, work: UnitOfWorkFactory) -> None:
        self._work = work

    async def place_all(
        self, requests: Sequence[Request], unit: UnitOfWork
    ) -> Sequence[Answer | DomainError | RowLocked]:
        """Place the orders that may be; each of the others gets its own refusal.

        Nothing waits here, or all of them would: an order whose user or product is locked by
        another transaction comes back with that row.
        """
        commands = [_command(request.body) for request in requests]
        users, locked_users = await store.names_of_users(unit, {each.user_id for each in commands})
        offers, locked_products = await store.offers(
            unit, {line.product_id for each in commands for line in each.lines}
        )
        outcomes: list[Draft | DomainError | RowLocked] = []
        for command in commands:
            try:
                _raise_if_locked([command.user_id], locked_users)
                _raise_if_locked((line.product_id for line in command.lines), locked_products)
                outcomes.append(draft(command, users, offers))
            except (DomainError, RowLocked) as reason:
                outcomes.append(reason)
        drafts = [outcome for outcome in outcomes if isinstance(outcome, Draft)]
        ids = iter(await store.insert_drafts(unit, drafts) if drafts else ())
        return [
            ORDER.emit_created(place(next(ids), outcome, unit.now), request, unit)
            if isinstance(outcome, Draft)
            else outcome
            for request, outcome in zip(requests, outcomes, strict=True)
        ]

    async def page(self, request: Request) -> Answer:
        query = request.query
        async with self._work() as unit:
            orders = await store.page(
                unit,
                after=query.after,
                limit=query.limit + 1,
                status=query.status,
                user_id=query.user_id,
            )
        return await ORDER.page(orders, query.limit)

    async def show(self, request: Request) -> Answer:
        async with self._work() as unit:
            return ORDER.answer(ORDER.there(request, await store.find(unit, request.id)))

    async def set_status(self, request: Request, unit: UnitOfWork) -> Answer:
        order = await _lock(request, unit)
        decision = set_status(order, request.body.status, unit.now)
        return await ORDER.save_changed(decision, request, unit, _save)

    async def pay(self, request: Request, unit: UnitOfWork) -> Answer:
        order = await _lock(request, unit)
        decision = pay(order, request.body.payment_method, unit.now)
        return await ORDER.save_changed(decision, request, unit, _save)

    async def cancel(self, request: Request, unit: UnitOfWork) -> Answer:
        order = await _lock(request, unit)
        decision = cancel(order, request.body.reason, unit.now)
        return await ORDER.save_changed(decision, request, unit, _save)

    async def remove(self, request: Request, unit: UnitOfWork) -> Answer:
        order = await _lock(request, unit)
        return await ORDER.save_removed(remove(order, unit.now), request, unit, store.remove)


def _command(body: NewOrder) -> PlaceOrder:
    lines = (Line(item.product_id, item.quantity, item.unit_price) for item in body.items)
    return PlaceOrder(body.user_id, tuple(lines))


def _raise_if_locked(ids: Iterable[int], locked: Mapping[int, Place]) -> None:
    for id in ids:
        if id in locked:
            raise RowLocked(locked[id])


async def _lock(request: Request, unit: UnitOfWork) -> Order:
    found = await store.lock(unit, [request.id])
    return ORDER.demanded(request, found.get(request.id))


async def _save(unit: UnitOfWork, order: Order) -> None:
    await store.save(unit, [order])
