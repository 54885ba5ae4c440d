"""What must hold once nothing moves any more, whatever happened before: the accounts agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from chaos.kit.promises import KEPT, Cases, amounts, views
from chaos.kit.promises.views import Shown
from scenarios.harness.stack import Stack
from system.events import OrderStatus, ReservationState
from system.kit.ports.views import Document
from system.kit.values import loads
from system.orders.store import orders
from system.products.store import products, reservations, stock
from system.users.store import users

Row = Mapping[str, Any]  # a column's value has the column's type

ENDED = (ReservationState.RELEASED, ReservationState.REJECTED)
ORDER = (
    *("status", "paid", "cancel_reason", "refund_due", "total_amount", "payment_method"),
    "version",
)
"""What an order and its view have in common."""


async def at_rest(stack: Stack) -> None:
    """Wait until nothing moves, and check all accounts. Raises AssertionError."""
    await stack.settled()
    books = await _Books.of(stack)
    judged = chain(books.stock(), views.sides_agree(books.written(), await books.viewed(stack)))
    wrong = [*books.orders_and_reservations(), *(case.seen for case in judged if case is not KEPT)]
    assert not wrong, "\n".join(wrong)


@dataclass(frozen=True)
class _Books:
    """The write model's rows by id, and what the events say was put into stock."""

    orders: Mapping[int, Row]
    reservations: Mapping[int, Row]
    stocks: Mapping[int, Row]
    products: Mapping[int, Row]
    users: Mapping[int, Row]
    put_in: Mapping[int, int]

    @staticmethod
    async def of(stack: Stack) -> _Books:
        return _Books(
            orders={row["id"]: row for row in await stack.rows(orders)},
            reservations={row["order_id"]: row for row in await stack.rows(reservations)},
            stocks={row["product_id"]: row for row in await stack.rows(stock)},
            products={row["id"]: row for row in await stack.rows(products)},
            users={row["id"]: row for row in await stack.rows(users)},
            put_in=await _put_in(stack),
        )

    def orders_and_reservations(self) -> Iterator[str]:
        """Live: reserved. Ended or gone: released or rejected. Paid and ended: a refund is due."""
        for id in sorted(self.orders.keys() | self.reservations.keys()):
            order, reservation = self.orders.get(id), self.reservations.get(id)
            if reservation is None:
                yield f"order {id} has no reservation"
                continue
            state = ReservationState(reservation["state"])
            ended = order is None or order["status"] == OrderStatus.CANCELED
            if (state in ENDED) is not ended:
                yield f"order {id}: {order and order['status']}, yet its stock is {state}"
            if order is None:
                continue
            note = (order["reservation"], order["reservation_version"])
            if note != (state, reservation["version"]):
                yield f"order {id} notes {note}, its stock says {state} {reservation['version']}"
            if order["refund_due"] is not (order["paid"] and ended):
                yield f"order {id}: paid {order['paid']}, ended {ended}, but {order['refund_due']}"

    def stock(self) -> Cases:
        """What is left is what was put in without what is held, and never below zero."""
        left = {id: row["on_hand"] for id, row in self.stocks.items()}
        held = (
            {product: -quantity}
            for row in self.reservations.values()
            if row["state"] == ReservationState.RESERVED
            for product, quantity in loads(row["lines"])
            if product in left
        )
        put_in = {id: self.put_in[id] for id in left}
        yield from amounts.conserved(put_in, held, left, what="product")
        on_hand = {id: [amount] for id, amount in left.items()}
        yield from amounts.never_negative(on_hand, what="product")

    def written(self) -> Mapping[str, Shown]:
        """What the write model has, by what names it, with its version."""
        return {
            **{f"user {id}": {"version": row["version"]} for id, row in self.users.items()},
            **{f"product {id}": {"version": row["version"]} for id, row in self.products.items()},
            **{
                f"stock of {id}": {"version": row["version"], "stock": row["on_hand"]}
                for id, row in self.stocks.items()
            },
            **{
                f"order {id}": {name: row[name] for name in (*ORDER, "reservation")}
                for id, row in self.orders.items()
            },
        }

    async def viewed(self, stack: Stack) -> Mapping[str, Shown]:
        """The same as the views show it; also orders of which only the reservation is left."""
        live = (await stack.views.generations()).live
        assert live is not None, "no generation of views is live"
        generation = stack.views.generation(live)
        users = await generation.get("users", self.users.keys())
        products = await generation.get("products", self.products.keys() | self.stocks.keys())
        orders = await generation.get("orders", self.orders.keys() | self.reservations.keys())
        return {
            **_parts("user", "self", users),
            **_parts("product", "self", products),
            **_parts("stock of", "stock", products),
            **{
                name: {**fields, "reservation": _reservation(orders[id])}
                for id in orders
                for name, fields in _parts("order", "self", {id: orders[id]}).items()
                if orders[id].has(("names",))
            },
        }


def _parts(what: str, part: str, documents: Mapping[int, Document]) -> dict[str, Shown]:
    """One part of each document, with its version. One that is gone is left out."""
    return {
        f"{what} {id}": {**fields, "version": document.versions[part]}
        for id, document in documents.items()
        if (fields := document.parts.get(part)) is not None
    }


def _reservation(document: Document) -> object:
    return (document.parts.get("reservation") or {"reservation": "pending"})["reservation"]


async def _put_in(stack: Stack) -> dict[int, int]:
    """Per product, what the events say was put into its stock, first and by each change."""
    events = {}
    for topic in ("product.created", "product.updated"):
        for record in await stack.records(topic):
            event = loads(record.message.value)
            events[event["event_id"]] = event
    put_in: dict[int, int] = {}
    for event in events.values():
        product = event["product"]
        change = event.get("stock_change", product["stock"])
        put_in[product["id"]] = put_in.get(product["id"], 0) + change
    return put_in
