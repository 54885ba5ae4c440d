"""THE MAP: which event is handled by which consumer, and what it shows on the query side.

A topic is an event's type. Consumers are the roles that keep the write side; projections are
pure functions that the query-consumer folds. From this table come the subscriptions, the
contracts between consumers and producers, and `docs/map.md`.

What happens around a handler, and when its transaction fails, is in `delivery/middleware/`, and
in `wiring.py` in one list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# the rooms that the table names, as `orders.handlers` and the like
import system.orders.handlers
import system.orders.views
import system.products.handlers
import system.products.views
import system.users.views  # noqa: F401
from system import orders, products, users
from system.delivery.middleware.handled import Handler
from system.delivery.middleware.projected import Projection
from system.events import (
    Event,
    OrderCanceled,
    OrderCreated,
    OrderDeleted,
    OrderPaid,
    OrderUpdated,
    ProductCreated,
    ProductDeleted,
    ProductUpdated,
    StockRejected,
    StockReleased,
    StockReserved,
    UserCreated,
    UserDeleted,
    UserUpdated,
)


@dataclass(frozen=True, slots=True)
class Row:
    event: type[Event]
    reacts: Mapping[str, Handler]
    shows: Sequence[Projection]


def row(event: type[Event], *, shows: Sequence[Projection], **reacts: Handler) -> Row:
    """One event: `product_consumer=…` names the consumer and its handler."""
    handlers = {name.replace("_", "-"): handler for name, handler in reacts.items()}
    return Row(event, handlers, shows)


# fmt: off
TABLE = (
    #   event            reacts: consumer=handler                             shows: pure projections
    row(UserCreated,                                                          shows=[users.views.user]),
    row(UserUpdated,                                                          shows=[users.views.user]),
    row(UserDeleted,                                                          shows=[users.views.user_gone]),
    row(ProductCreated,                                                       shows=[products.views.product]),
    row(ProductUpdated,                                                       shows=[products.views.product]),
    row(ProductDeleted,                                                       shows=[products.views.product_gone]),
    row(OrderCreated,    product_consumer=products.handlers.reserve_stock,    shows=[orders.views.order, orders.views.names]),
    row(OrderUpdated,                                                         shows=[orders.views.order]),
    row(OrderPaid,                                                            shows=[orders.views.order]),
    row(OrderCanceled,   product_consumer=products.handlers.release_stock,    shows=[orders.views.order]),
    row(OrderDeleted,    product_consumer=products.handlers.release_stock,    shows=[orders.views.order_gone]),
    row(StockReserved,   order_consumer=orders.handlers.note_reservation,     shows=[products.views.stock, orders.views.reservation]),
    row(StockReleased,   order_consumer=orders.handlers.note_reservation,     shows=[products.views.stock, orders.views.reservation]),
    row(StockRejected,   order_consumer=orders.handlers.cancel_for_stock,     shows=[orders.views.reservation]),
)
# fmt: on

VIEWS = (users.views.USERS, products.views.PRODUCTS, orders.views.ORDERS)


def handlers_of(consumer: str, table: Sequence[Row] = TABLE) -> dict[str, Handler]:
    """The handler of each topic that a consumer of the write side reads."""
    return {row.event.type: row.reacts[consumer] for row in table if consumer in row.reacts}


def projections(table: Sequence[Row] = TABLE) -> dict[str, Sequence[Projection]]:
    """The projections of each topic."""
    return {row.event.type: row.shows for row in table}


def events_of(table: Sequence[Row] = TABLE) -> dict[str, type[Event]]:
    """The model of each topic."""
    return {row.event.type: row.event for row in table}
