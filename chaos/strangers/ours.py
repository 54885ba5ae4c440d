"""The kit's own system as adapter number one: seen from outside, like any other.

Nothing of `system` is imported: what is known of it here is what docs/http.md and docs/events.md say.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from itertools import product
from typing import Any, ClassVar

from chaos.kit import blackbox as kit

# An order's status and its reservation are two facts, which go their ways apart.
STATUS = {
    "CREATED": {"PROCESSING", "PAID", "CANCELED"},
    "PROCESSING": {"PAID", "CANCELED"},
    "PAID": {"PROCESSING", "CANCELED"},
    "CANCELED": set[str](),
}
RESERVATION = {
    "pending": {"reserved", "rejected", "released"},
    "reserved": {"released"},
    "released": set[str](),
    "rejected": set[str](),
}
HELD = {f"{status} reserved" for status in STATUS if status != "CANCELED"}
ENDED = {"CANCELED released", "CANCELED rejected"}
STATES = kit.States(
    steps={
        f"{status} {reservation}": {
            *(f"{after} {reservation}" for after in STATUS[status]),
            *(f"{status} {after}" for after in RESERVATION[reservation]),
        }
        for status, reservation in product(STATUS, RESERVATION)
    },
    final=HELD | ENDED,
    holds=HELD,
    after={
        "cancel": ENDED,
        "advance": HELD - {"CREATED reserved"} | {"CANCELED rejected"},
        "reserved": HELD | {"CANCELED released"},
        "refused": {"CANCELED rejected"},
        "released": {"CANCELED released"},
        "ended": ENDED,
    },
)

TELL = {  # topic: the process that writes it
    "order.created": "order-consumer",
    "order.updated": "order-consumer",
    "order.paid": "order-consumer",
    "order.canceled": "order-consumer",
    "stock.reserved": "product-consumer",
    "stock.released": "product-consumer",
    "stock.rejected": "product-consumer",
}
KINDS: dict[str, kit.Kind] = {
    "order.created": "placed",
    "order.updated": "changed",
    "order.paid": "changed",
    "order.canceled": "ended",
    "stock.reserved": "reserved",
    "stock.released": "released",
    "stock.rejected": "refused",
}
SQL = {"MYSQL_DSN": "{mysql.user}:{mysql.password}@tcp({mysql.host}:{mysql.port})/{mysql.database}"}
MONGO = {"MONGO_URI": "{mongo}"}
ROLES = {
    **dict.fromkeys(("user-api", "product-api", "order-api"), SQL),
    **dict.fromkeys(("user-consumer", "product-consumer", "order-consumer"), SQL),
    **dict.fromkeys(("query-api", "query-consumer"), MONGO),
}


class Ours(kit.Stranger):
    name = "the kit's own system"
    needs = ("kafka", "mysql", "mongo")
    topics = tuple(
        kit.Topic(name, by=by, made_by_the_system=True, dead_letters=f"{name}.dlq")
        for name, by in TELL.items()
    )
    processes = tuple(
        kit.Process(
            role,
            (sys.executable, "-m", "system", role),
            {
                **stores,
                "KAFKA_BROKERS": "{kafka}",
                "KAFKA_SESSION_TIMEOUT": "3s",
                "PORT": "{port}",
                "INSTANCE": role,
                "LOG_FORMAT": "json",
            },
            ready="GET /readyz",
            grace_s=120.0,
        )
        for role, stores in ROLES.items()
    )
    states = STATES
    sees = ~kit.Sight(0)
    tells: ClassVar = {"place": ("placed",), "advance": ("changed",), "cancel": ("ended",)}

    def client(self, number: int) -> kit.Client:
        return Client(number)

    def events(self, record: kit.Record) -> Iterator[kit.Event]:
        try:
            told = json.loads(record.value)
        except ValueError as error:
            raise kit.Unreadable(str(error)) from error
        kind, about, id = KINDS[record.topic], str(told["order_id"]), told["event_id"]
        match kind:
            case "reserved" | "released":
                sign = -1 if kind == "reserved" else 1
                moves = {str(told["product_id"]): sign * told["quantity"]}
                yield kit.Event(kind, about, moves, id=id)
            case "refused":
                yield kit.Event(kind, about, id=id)
            case _:
                mark = _cents(told["order"]["items"][0]["unit_price"])
                yield kit.Event(kind, about, mark=mark, id=id, version=told["version"])

    def poison(self, topic: str) -> bytes | None:
        return b"no JSON" if topic == "order.created" else None


class Client(kit.Client):
    def __init__(self, number: int) -> None:
        self._email = f"client{number}@example.com"
        self._user = 0

    def request(self, command: kit.Command) -> kit.Request | None:
        match command.do:
            case "join":
                user = {"name": "a client", "email": self._email}
                return kit.Request("user-api", "POST", "/users", user)
            case "open":
                new = {"name": f"product {command.mark}", "price": 1, "stock": command.amount}
                return kit.Request("product-api", "POST", "/products", new)
            case "place":
                items = [
                    {"product_id": int(id), "quantity": -amount, "unit_price": command.mark / 100}
                    for id, amount in command.moves.items()
                ]
                headers = {"Idempotency-Key": command.key} if command.key else {}
                order = {"user_id": self._user, "items": items}
                return kit.Request("order-api", "POST", "/orders", order, headers)
            case "advance":
                method = {"payment_method": "card"}
                return kit.Request("order-api", "POST", f"/orders/{command.about}/pay", method)
            case "cancel":
                return kit.Request("order-api", "POST", f"/orders/{command.about}/cancel", {})
            case "read" | "view":
                side = "order-api" if command.do == "read" else "query-api"
                return kit.Request(side, "GET", f"/orders/{command.about}")
            case "read account" | "view account":
                side = "product-api" if command.do == "read account" else "query-api"
                return kit.Request(side, "GET", f"/products/{command.about}")
            case _:
                return None

    def meaning(self, command: kit.Command, answer: kit.Answer) -> kit.Meant:
        if answer.status >= 300:
            return kit.Meant.by_status(answer)
        body: dict[str, Any] = json.loads(answer.body)
        shows = None
        if command.do == "join":
            self._user = body["id"]
        elif command.do in ("read account", "view account"):
            shows = kit.Shown(amount=body["stock"])
        elif command.do in ("read", "view"):
            shows = kit.Shown(
                f"{body['status']} {body['reservation']}",
                _cents(body["total_amount"]),
                _cents(body["items"][0]["unit_price"]),
            )
        return kit.Meant("ok", str(body["id"]), shows)


def _cents(amount: float) -> int:
    return int(Decimal(str(amount)) * 100)
