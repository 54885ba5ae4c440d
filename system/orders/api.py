"""The HTTP API of orders: load, decide, save and emit. Placing orders is the hot path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from system.events import OrderStatus
from system.kit.commands.group_commit import Commands
from system.kit.errors import DomainError, NotFound, Overloaded
from system.kit.http.bodies import Body, Items, Maybe, PartialBody, PaymentMethod, Reason
from system.kit.http.headers import ETAG
from system.kit.http.paging import PageBody, cut, page_body
from system.kit.http.route import Answer, Request, Route, Tag, tagged
from system.kit.http.tokens import stamps, token
from system.kit.locks import Place, RowLocked
from system.kit.ports.work import UnitOfWork, UnitOfWorkFactory
from system.kit.values import WHOLE, Id, Price, dumps
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


class OrderApi:
    def __init__(self, work: UnitOfWorkFactory) -> None:
        self._work = work

    async def place_all(
        self, requests: Sequence[Request], unit: UnitOfWork
    ) -> Sequence[Answer | DomainError | RowLocked]:
        """Place the orders that may be; each of the others is told what is wrong with it.

        Nothing waits here, or all of them would: an order whose user or product is locked by
        somebody else comes back with that row.
        """
        wishes = [_wish(request.body) for request in requests]
        users, locked_users = await store.names_of_users(unit, {wish.user_id for wish in wishes})
        offers, locked_products = await store.offers(
            unit, {line.product_id for wish in wishes for line in wish.lines}
        )
        outcomes: list[Draft | DomainError | RowLocked] = []
        for wish in wishes:
            try:
                _raise_if_locked([wish.user_id], locked_users)
                _raise_if_locked((line.product_id for line in wish.lines), locked_products)
                outcomes.append(draft(wish, users, offers))
            except (DomainError, RowLocked) as reason:
                outcomes.append(reason)
        drafts = [outcome for outcome in outcomes if isinstance(outcome, Draft)]
        ids = iter(await store.insert_drafts(unit, drafts) if drafts else ())
        return [
            self._placed(next(ids), outcome, request, unit)
            if isinstance(outcome, Draft)
            else outcome
            for request, outcome in zip(requests, outcomes, strict=True)
        ]

    def _placed(self, id: int, draft: Draft, request: Request, unit: UnitOfWork) -> Answer:
        order, event = place(id, draft, unit.now)
        unit.emit(event, because=request.cause)
        return _answer(order, 201, {"Location": f"/orders/{id}"})

    async def page(self, request: Request) -> Answer:
        query = request.query
        async with self._work() as unit:
            rows = await store.page(
                unit,
                after=query.after,
                limit=query.limit + 1,
                status=query.status,
                user_id=query.user_id,
            )
        orders, next = cut(rows, query.limit, lambda order: order.id)
        return Answer(200, await page_body(VIEW, orders, next, _shown))

    async def show(self, request: Request) -> Answer:
        async with self._work() as unit:
            order = await store.find(unit, request.id)
        if order is None:
            raise NoSuchOrder(f"there is no order {request.id}")
        return _answer(order)

    async def set_status(self, request: Request, unit: UnitOfWork) -> Answer:
        before = await _lock(request, unit)
        order, emitted = set_status(before, request.body.status, unit.now)
        if emitted:
            await store.save(unit, [order])
        for event in emitted:
            unit.emit(event, because=request.cause)
        return _answer(order)

    async def pay(self, request: Request, unit: UnitOfWork) -> Answer:
        order, event = pay(await _lock(request, unit), request.body.payment_method, unit.now)
        await store.save(unit, [order])
        unit.emit(event, because=request.cause)
        return _answer(order)

    async def cancel(self, request: Request, unit: UnitOfWork) -> Answer:
        order, event = cancel(await _lock(request, unit), request.body.reason, unit.now)
        await store.save(unit, [order])
        unit.emit(event, because=request.cause)
        return _answer(order)

    async def remove(self, request: Request, unit: UnitOfWork) -> Answer:
        order = await _lock(request, unit)
        event = remove(order, unit.now)
        await store.remove(unit, order.id)
        unit.emit(event, because=request.cause)
        return Answer(204, headers=token(VIEW, order.id, self=event.version))


def _wish(body: NewOrder) -> PlaceOrder:
    lines = (Line(item.product_id, item.quantity, item.unit_price) for item in body.items)
    return PlaceOrder(body.user_id, tuple(lines))


def _raise_if_locked(ids: Iterable[int], locked: Mapping[int, Place]) -> None:
    for id in ids:
        if id in locked:
            raise RowLocked(locked[id])


async def _lock(request: Request, unit: UnitOfWork) -> Order:
    found = await store.lock(unit, [request.id])
    if request.id not in found:
        raise NoSuchOrder(f"there is no order {request.id}")
    order = found[request.id]
    request.precondition.demand(_stamps(order)[ETAG])
    return order


def _answer(order: Order, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, dumps(_shown(order)), {**(headers or {}), **_stamps(order)})


def _stamps(order: Order) -> dict[str, str]:
    versions = {"self": order.version}
    if order.reservation_version:
        versions["reservation"] = order.reservation_version
    return stamps(VIEW, order.id, **versions)


def _shown(order: Order) -> dict[str, Any]:  # JSON values of several types
    return {
        "id": order.id,
        "user_id": order.user_id,
        "status": order.status.value,
        "paid": order.paid,
        "reservation": order.reservation.value,
        "items": [item.model_dump() for item in order.items],
        "total_amount": order.total_amount,
        "payment_method": order.payment_method,
        "cancel_reason": order.cancel_reason,
        "refund_due": order.refund_due,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
    }
