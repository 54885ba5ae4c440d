"""THE MAP: which event is handled by which consumer, and what it shows on the query side.

A topic is an event's type. Consumers are the roles that keep the write side; projections are
pure functions that the query-consumer folds. From this table come the subscriptions, the
contracts between consumers and producers, and `docs/map.md`.

What happens around a handler, and when its transaction fails, is in `kit/delivery/middleware/`,
and in `kit/chains.py` in one list. `SHOP` is all of it: stacks, roles and processes are built from
that, by `kit/stacks.py`, `kit/roles.py` and `kit/process.py`.
"""

from __future__ import annotations

# the modules that the table names, as `orders.handlers` and the like
import system.orders.api
import system.orders.handlers
import system.orders.views
import system.products.api
import system.products.handlers
import system.products.views
import system.users.api
import system.users.views  # noqa: F401
from system import orders, products, users
from system.events import (
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
from system.kit.table import System, row
from system.roles import ROLES

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

ROUTES = {
    "user-api": users.api.routes,
    "product-api": products.api.routes,
    "order-api": orders.api.routes,
}

SHOP = System(ROLES, TABLE, VIEWS, ROUTES)
