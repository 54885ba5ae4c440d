"""What must hold once nothing moves any more, whatever happened before: the accounts agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scenarios.harness.stack import Stack
from system.events import OrderStatus, ReservationState
from system.kit.ports.views import Document
from system.kit.values import loads
from system.orders.store import orders
from system.products.store import products, reservations, stock
from system.users.store import users

Row = Mapping[str, Any]  # a column's value has the column's type

ENDED = (ReservationState.RELEASED, ReservationState.REJECTED)


async def at_rest(stack: Stack) -> None:
    """Wait until nothing moves, and check all accounts. Raises AssertionError."""
    await stack.settled()
    books = await _Books.of(stack)
    wrong = [*books.orders_and_reservations(), *books.stock(), *await books.shown(stack)]
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

    def stock(self) -> Iterator[str]:
        """What is left is what was put in without what is held, and never below zero."""
        held: dict[int, int] = {}
        for reservation in self.reservations.values():
            if reservation["state"] == ReservationState.RESERVED:
                for product_id, quantity in loads(reservation["lines"]):
                    held[product_id] = held.get(product_id, 0) + quantity
        for id, row in self.stocks.items():
            left = self.put_in[id] - held.get(id, 0)
            if row["on_hand"] != left or row["on_hand"] < 0:
                yield f"product {id}: {row['on_hand']} on hand, {self.put_in[id]} - {held.get(id)}"

    async def shown(self, stack: Stack) -> list[str]:
        """Views and write model hold the same, at the same versions."""
        live = (await stack.views.generations()).live
        assert live is not None, "no generation of views is live"
        views = stack.views.generation(live)
        wrong: list[str] = []
        for name, rows in (("users", self.users), ("products", self.products)):
            documents = await views.get(name, rows.keys())
            wrong += (
                f"{name} {id}: version {row['version']} is not shown"
                for id, row in rows.items()
                if _version(documents.get(id), "self") != row["version"]
            )
        stocks = await views.get("products", self.stocks.keys())
        wrong += (
            f"stock of {id}: {row['on_hand']} at {row['version']} is not shown"
            for id, row in self.stocks.items()
            if _version(stocks.get(id), "stock") != row["version"]
            or (stocks[id].parts["stock"] or {}).get("stock") != row["on_hand"]
        )
        documents = await views.get("orders", self.orders.keys() | self.reservations.keys())
        wrong += (
            f"order {id}: {dict(row)} is not shown"
            for id, row in self.orders.items()
            if not _shows_order(documents.get(id), row)
        )
        wrong += (
            f"order {id} is gone, and still shown"
            for id in self.reservations.keys() - self.orders.keys()
            if id in documents and documents[id].parts.get("self") is not None
        )
        return wrong


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


def _shows_order(document: Document | None, row: Row) -> bool:
    if document is None or not document.has(("self", "names")):
        return False
    fields = document.parts["self"] or {}
    same = ("status", "paid", "cancel_reason", "refund_due", "total_amount", "payment_method")
    reservation = document.parts.get("reservation") or {"reservation": "pending"}
    return (
        document.versions["self"] == row["version"]
        and all(fields[name] == row[name] for name in same)
        and reservation["reservation"] == row["reservation"]
    )


def _version(document: Document | None, part: str) -> int | None:
    return None if document is None else document.versions.get(part)
