"""THE CALLS: every method of the client, and the refusals that it has to know.

The client is `scenarios/harness/client.py`. `call` is what it is told to do, `request` what it sends,
`answer` what an API sends back. A name such as `${user_id}` is known to the state alone
(provider_states.py); `NAMES` there has the example that `call` uses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from contracts.http import provider_states as states
from contracts.http.provider_states import NAMES, State
from contracts.kit.pacts.http import Exchange, Request, Response
from contracts.kit.pacts.matching import Body, all_like, expected, like
from contracts.kit.pacts.states import name_of
from scenarios.harness.client import Client, item
from system.events import OrderItem, OrderStatus, ReservationState
from system.kit.http.headers import CONSISTENCY_TOKEN, IDEMPOTENCY_KEY
from system.orders.views import NamedItem, NamedOrder, OrderResource
from system.products.views import ProductResource
from system.users.views import UserResource

Ask = Callable[[Client], Awaitable[Any]]  # an answer, or what the client makes of several


@dataclass(frozen=True, slots=True)
class Call:
    provider: str
    description: str
    given: State
    call: Ask
    request: Request
    answer: Response

    @property
    def exchange(self) -> Exchange:
        return Exchange(self.description, name_of(self.given), self.request, self.answer)

    def __str__(self) -> str:
        return f"{self.provider}, {self.description}"


AT = datetime(2026, 1, 31, 8, 0, 0, 123456, tzinfo=UTC)
NOWHERE = 2**63 - 1
"""The number of nothing that a system comes to make."""

USER = UserResource(id=1, name="Ada", email="ada@example.com", created_at=AT, updated_at=AT)
PRODUCT = ProductResource(
    id=2, name="Lamp", price=Decimal("19.90"), stock=10, created_at=AT, updated_at=AT
)
ITEM = OrderItem(product_id=2, quantity=2, unit_price=Decimal("19.90"))
ORDER = OrderResource(
    id=3,
    user_id=1,
    status=OrderStatus.CREATED,
    paid=False,
    reservation=ReservationState.PENDING,
    items=[ITEM],
    total_amount=Decimal("39.80"),
    payment_method=None,
    cancel_reason=None,
    refund_due=False,
    created_at=AT,
    updated_at=AT,
)
PAID = ORDER.model_copy(
    update={"status": OrderStatus.PAID, "paid": True, "payment_method": "credit_card"}
)
CANCELED = ORDER.model_copy(
    update={"status": OrderStatus.CANCELED, "cancel_reason": "changed my mind"}
)
VIEWED = NamedOrder(
    **{**dict(ORDER), "items": [NamedItem(**dict(ITEM), product_name="Lamp")]}, user_name="Ada"
)


def token(view: str, id: int) -> Mapping[str, Body]:
    """What every write answers, and a read of the write side, too."""
    terms = f"{view}/{id}.self@1"
    return {CONSISTENCY_TOKEN: like(terms, rf"{view}/\d+\.\w+@\d+(,{view}/\d+\.\w+@\d+)*")}


def made(view: str, id: int, body: UserResource | ProductResource | OrderResource) -> Response:
    place = {"Location": like(f"/{view}/{id}", rf"/{view}/\d+")}
    return Response(201, body, {**place, **token(view, id)})


def refused(status: int, problem: str) -> Response:
    body = {
        "type": f"/problems/{problem}",
        "status": status,
        "title": like("Why", ".+"),
        "detail": like("What is wrong", ".+"),
    }
    return Response(status, body, {"Content-Type": "application/problem+json"})


def page(view: str, shown: Body, next: Body = None) -> Response:
    return Response(200, {view: all_like(expected(shown)), "next": next})


JSON = {"Content-Type": "application/json"}


def post(path: str, body: Body, **headers: str) -> Request:
    return Request("POST", path, body, headers={**JSON, **_named(headers)})


def put(path: str, body: Body) -> Request:
    return Request("PUT", path, body, headers=JSON)


def get(path: str, query: Mapping[str, str] | None = None, **headers: str) -> Request:
    return Request("GET", path, query=query or {}, headers=_named(headers))


def delete(path: str) -> Request:
    return Request("DELETE", path)


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    names = {"key": IDEMPOTENCY_KEY, "token": CONSISTENCY_TOKEN}
    return {names[name]: value for name, value in headers.items()}


EMAIL, KEY, TOKEN = str(NAMES["email"]), str(NAMES["key"]), str(NAMES["token"])
GONE = refused(404, "not-found")
NEW_USER = {"name": "Ada", "email": "${email}"}
NEW_PRODUCT = {"name": "Lamp", "price": 20, "stock": 10}
NEW_ORDER = {"user_id": "${user_id}", "items": [{"product_id": "${product_id}", "quantity": 2}]}
PAYMENT = {"payment_method": "credit_card"}
CANCELLATION = {"reason": "changed my mind"}

# fmt: off
USERS = [
    Call("user-api", "a user registers", states.nothing,
         lambda c: c.register("Ada", EMAIL),
         post("/users", NEW_USER), made("users", 1, USER)),
    Call("user-api", "a user registers again with the same key", states.a_user_registered_by_key,
         lambda c: c.register("Ada", EMAIL, key=KEY),
         post("/users", NEW_USER, key="${key}"), made("users", 1, USER)),
    Call("user-api", "a user registers with the key of another request", states.a_user_registered_by_key,
         lambda c: c.register("Bea", EMAIL, key=KEY),
         post("/users", {**NEW_USER, "name": "Bea"}, key="${key}"), refused(422, "key-reused")),
    Call("user-api", "a user registers with an address that is taken", states.a_user,
         lambda c: c.register("Ada", EMAIL),
         post("/users", NEW_USER), refused(409, "email-taken")),
    Call("user-api", "a user registers without a name", states.nothing,
         lambda c: c.register("", EMAIL),
         post("/users", {**NEW_USER, "name": ""}), refused(422, "invalid")),
    Call("user-api", "a user changes their name", states.a_user,
         lambda c: c.change_user(1, name="Bea"),
         put("/users/${user_id}", {"name": "Bea"}), Response(200, USER, token("users", 1))),
    Call("user-api", "a user changes to an address that is taken", states.two_users,
         lambda c: c.change_user(1, email=EMAIL),
         put("/users/${user_id}", {"email": "${email}"}), refused(409, "email-taken")),
    Call("user-api", "a user who is not there changes their name", states.nothing,
         lambda c: c.change_user(NOWHERE, name="Bea"),
         put(f"/users/{NOWHERE}", {"name": "Bea"}), GONE),
    Call("user-api", "a user is shown", states.a_user,
         lambda c: c.user(1),
         get("/users/${user_id}"), Response(200, USER, token("users", 1))),
    Call("user-api", "a user who is not there is shown", states.nothing,
         lambda c: c.user(NOWHERE),
         get(f"/users/{NOWHERE}"), GONE),
    Call("user-api", "a user leaves", states.a_user,
         lambda c: c.delete_user(1),
         delete("/users/${user_id}"), Response(204, headers=token("users", 1))),
    Call("user-api", "a user with an order leaves", states.an_order,
         lambda c: c.delete_user(1),
         delete("/users/${user_id}"), refused(409, "still-referred")),
    Call("user-api", "a user who is not there leaves", states.nothing,
         lambda c: c.delete_user(NOWHERE),
         delete(f"/users/{NOWHERE}"), GONE),
]

PRODUCTS = [
    Call("product-api", "a product is offered", states.nothing,
         lambda c: c.offer("Lamp", 20, 10),
         post("/products", NEW_PRODUCT), made("products", 2, PRODUCT)),
    Call("product-api", "a product is offered again with the same key", states.a_product_offered_by_key,
         lambda c: c.offer("Lamp", 20, 10, key=KEY),
         post("/products", NEW_PRODUCT, key="${key}"), made("products", 2, PRODUCT)),
    Call("product-api", "a product is offered with the key of another request", states.a_product_offered_by_key,
         lambda c: c.offer("Desk", 20, 10, key=KEY),
         post("/products", {**NEW_PRODUCT, "name": "Desk"}, key="${key}"), refused(422, "key-reused")),
    Call("product-api", "a product is offered with less than nothing in stock", states.nothing,
         lambda c: c.offer("Lamp", 20, -1),
         post("/products", {**NEW_PRODUCT, "stock": -1}), refused(422, "invalid")),
    Call("product-api", "a product's stock is set", states.a_product,
         lambda c: c.change_product(2, stock=4),
         put("/products/${product_id}", {"stock": 4}), Response(200, PRODUCT, token("products", 2))),
    Call("product-api", "the stock of a product that is not there is set", states.nothing,
         lambda c: c.change_product(NOWHERE, stock=4),
         put(f"/products/{NOWHERE}", {"stock": 4}), GONE),
    Call("product-api", "a product is shown", states.a_product,
         lambda c: c.product(2),
         get("/products/${product_id}"), Response(200, PRODUCT, token("products", 2))),
    Call("product-api", "a product that is not there is shown", states.nothing,
         lambda c: c.product(NOWHERE),
         get(f"/products/{NOWHERE}"), GONE),
    Call("product-api", "a product is withdrawn", states.a_product,
         lambda c: c.delete_product(2),
         delete("/products/${product_id}"), Response(204, headers=token("products", 2))),
    Call("product-api", "a product that is ordered is withdrawn", states.an_order,
         lambda c: c.delete_product(2),
         delete("/products/${product_id}"), refused(409, "still-referred")),
    Call("product-api", "a product that is not there is withdrawn", states.nothing,
         lambda c: c.delete_product(NOWHERE),
         delete(f"/products/{NOWHERE}"), GONE),
]

ORDERS = [
    Call("order-api", "an order is placed", states.a_user_and_a_product,
         lambda c: c.place(1, [item(2, 2)]),
         post("/orders", NEW_ORDER), made("orders", 3, ORDER)),
    Call("order-api", "an order is placed again with the same key", states.an_order_placed_by_key,
         lambda c: c.place(1, [item(2, 2)], key=KEY),
         post("/orders", NEW_ORDER, key="${key}"), made("orders", 3, ORDER)),
    Call("order-api", "an order is placed with the key of another request", states.an_order_placed_by_key,
         lambda c: c.place(1, [item(2, 1)], key=KEY),
         post("/orders", {**NEW_ORDER, "items": [{"product_id": "${product_id}", "quantity": 1}]}, key="${key}"),
         refused(422, "key-reused")),
    Call("order-api", "an order is placed by a user who is not there", states.a_product,
         lambda c: c.place(NOWHERE, [item(2, 2)]),
         post("/orders", {**NEW_ORDER, "user_id": NOWHERE}), refused(422, "unknown-user")),
    Call("order-api", "an order is placed of a product that is not there", states.a_user,
         lambda c: c.place(1, [item(NOWHERE, 2)]),
         post("/orders", {**NEW_ORDER, "items": [{"product_id": NOWHERE, "quantity": 2}]}),
         refused(422, "unknown-product")),
    Call("order-api", "an order is placed of nothing", states.a_user,
         lambda c: c.place(1, []),
         post("/orders", {**NEW_ORDER, "items": []}), refused(422, "invalid")),
    Call("order-api", "an order is paid", states.an_order,
         lambda c: c.pay(3),
         post("/orders/${order_id}/pay", PAYMENT), Response(200, PAID, token("orders", 3))),
    Call("order-api", "an order is paid again with the same key", states.an_order_paid_by_key,
         lambda c: c.pay(3, key=KEY),
         post("/orders/${order_id}/pay", PAYMENT, key="${key}"), Response(200, PAID, token("orders", 3))),
    Call("order-api", "a paid order is paid", states.a_paid_order,
         lambda c: c.pay(3),
         post("/orders/${order_id}/pay", PAYMENT), refused(409, "transition-forbidden")),
    Call("order-api", "an order that is not there is paid", states.nothing,
         lambda c: c.pay(NOWHERE),
         post(f"/orders/{NOWHERE}/pay", PAYMENT), GONE),
    Call("order-api", "an order is canceled", states.an_order,
         lambda c: c.cancel(3),
         post("/orders/${order_id}/cancel", CANCELLATION), Response(200, CANCELED, token("orders", 3))),
    Call("order-api", "an order is canceled again with the same key", states.an_order_canceled_by_key,
         lambda c: c.cancel(3, key=KEY),
         post("/orders/${order_id}/cancel", CANCELLATION, key="${key}"), Response(200, CANCELED, token("orders", 3))),
    Call("order-api", "a paid order is canceled", states.a_paid_order,
         lambda c: c.cancel(3),
         post("/orders/${order_id}/cancel", CANCELLATION), refused(409, "transition-forbidden")),
    Call("order-api", "an order that is not there is canceled", states.nothing,
         lambda c: c.cancel(NOWHERE),
         post(f"/orders/{NOWHERE}/cancel", CANCELLATION), GONE),
    Call("order-api", "an order is processed", states.an_order,
         lambda c: c.set_status(3, "PROCESSING"),
         put("/orders/${order_id}", {"status": "PROCESSING"}), Response(200, ORDER, token("orders", 3))),
    Call("order-api", "a canceled order is processed", states.a_canceled_order,
         lambda c: c.set_status(3, "PROCESSING"),
         put("/orders/${order_id}", {"status": "PROCESSING"}), refused(409, "transition-forbidden")),
    Call("order-api", "an order is set to a status that does not exist", states.an_order,
         lambda c: c.set_status(3, "LOST"),
         put("/orders/${order_id}", {"status": "LOST"}), refused(422, "invalid")),
    Call("order-api", "an order that is not there is processed", states.nothing,
         lambda c: c.set_status(NOWHERE, "PROCESSING"),
         put(f"/orders/{NOWHERE}", {"status": "PROCESSING"}), GONE),
    Call("order-api", "an order is shown", states.an_order,
         lambda c: c.order(3),
         get("/orders/${order_id}"), Response(200, ORDER, token("orders", 3))),
    Call("order-api", "an order that is not there is shown", states.nothing,
         lambda c: c.order(NOWHERE),
         get(f"/orders/{NOWHERE}"), GONE),
    Call("order-api", "the first of a user's orders are listed", states.a_user_with_two_orders,
         lambda c: c.orders(user_id=1, limit=1),
         get("/orders", {"user_id": "${user_id}", "limit": "1"}), page("orders", ORDER, like("AAAAAAAAAAM", ".+"))),
    Call("order-api", "the last of a user's orders are listed", states.a_user_with_two_orders,
         lambda c: c.orders(user_id=1),
         get("/orders", {"user_id": "${user_id}"}), page("orders", ORDER)),
    Call("order-api", "no orders at a time are listed", states.nothing,
         lambda c: c.orders(limit=0),
         get("/orders", {"limit": "0"}), refused(422, "invalid")),
    Call("order-api", "an order is deleted", states.an_order,
         lambda c: c.delete_order(3),
         delete("/orders/${order_id}"), Response(204, headers=token("orders", 3))),
    Call("order-api", "an order that is not there is deleted", states.nothing,
         lambda c: c.delete_order(NOWHERE),
         delete(f"/orders/{NOWHERE}"), GONE),
]

VIEWS = [
    Call("query-api", "a user is shown", states.views_of_an_order,
         lambda c: c.view_user(1),
         get("/users/${user_id}"), Response(200, USER)),
    Call("query-api", "a user who is not there is shown", states.nothing,
         lambda c: c.view_user(NOWHERE),
         get(f"/users/{NOWHERE}"), GONE),
    Call("query-api", "a product is shown", states.views_of_an_order,
         lambda c: c.view_product(2),
         get("/products/${product_id}"), Response(200, PRODUCT)),
    Call("query-api", "a product that is not there is shown", states.nothing,
         lambda c: c.view_product(NOWHERE),
         get(f"/products/{NOWHERE}"), GONE),
    Call("query-api", "an order is shown", states.views_of_an_order,
         lambda c: c.view_order(3),
         get("/orders/${order_id}"), Response(200, VIEWED)),
    Call("query-api", "an order that is not there is shown", states.nothing,
         lambda c: c.view_order(NOWHERE),
         get(f"/orders/{NOWHERE}"), GONE),
    Call("query-api", "an order is shown as soon as its write is", states.a_write_that_its_reader_waits_for,
         lambda c: c.view_order(3, token=TOKEN),
         get("/orders/${order_id}", token="${token}"), Response(200, VIEWED)),
    Call("query-api", "an order is shown whose write is not there in time", states.a_token_of_what_is_not_shown_yet,
         lambda c: c.view_order(3, token=TOKEN),
         get("/orders/${order_id}", token="${token}"), refused(503, "view-behind")),
    Call("query-api", "a token is sent that no write has answered", states.nothing,
         lambda c: c.view_order(NOWHERE, token="yesterday"),
         get(f"/orders/{NOWHERE}", token="yesterday"), refused(400, "malformed-token")),
    Call("query-api", "the users are listed", states.views_of_an_order,
         lambda c: c.views("users", token=TOKEN, limit=500),
         get("/users", {"limit": "500"}, token="${token}"), page("users", USER)),
    Call("query-api", "the products are listed", states.views_of_an_order,
         lambda c: c.views("products", token=TOKEN, limit=500),
         get("/products", {"limit": "500"}, token="${token}"), page("products", PRODUCT)),
    Call("query-api", "the first of a user's orders are listed", states.a_user_with_two_orders,
         lambda c: c.views("orders", user_id=1, limit=1),
         get("/orders", {"user_id": "${user_id}", "limit": "1"}), page("orders", VIEWED, like("AAAAAAAAAAM", ".+"))),
    Call("query-api", "all of a user's orders are listed, page by page", states.a_user_with_two_orders,
         lambda c: c.all_views("orders", user_id=1),
         get("/orders", {"user_id": "${user_id}", "limit": "500"}), page("orders", VIEWED)),
    Call("query-api", "the orders after none are listed", states.nothing,
         lambda c: c.views("orders", after="nothing"),
         get("/orders", {"after": "nothing"}), refused(422, "invalid")),
]
# fmt: on

CALLS: tuple[Call, ...] = (*USERS, *PRODUCTS, *ORDERS, *VIEWS)

NO_API: Mapping[str, str] = dict.fromkeys(
    ("letters", "letter", "replay", "rebuild", "rebuild_progress"),
    "an operation of a consumer, on its admin side",
) | {"ask": "what every method is made of"}
"""Methods of the client without a pact, and why."""
