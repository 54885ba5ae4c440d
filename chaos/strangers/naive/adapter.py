"""How the judge comes to know the naive shop, and its repaired copy."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from chaos.kit import blackbox as kit

STATES = kit.States(
    steps={"PLACED": {"CONFIRMED", "REFUSED", "ABANDONED"}, "CONFIRMED": {"ABANDONED"}},
    final={"CONFIRMED", "REFUSED", "ABANDONED"},
    holds={"CONFIRMED"},
    after={
        "cancel": {"ABANDONED"},
        "reserved": {"CONFIRMED", "ABANDONED"},
        "refused": {"REFUSED", "ABANDONED"},
    },
)
BLIND = (
    kit.Blind(kit.Sight.VIEWS, "it has no query side"),
    kit.Blind(kit.Sight.VERSIONS, "its events have no versions"),
    kit.Blind(kit.Sight.DEAD_LETTERS, "it has no dead letters"),
    kit.Blind(kit.Sight.IDEMPOTENCY, "it knows no idempotency keys"),
)


def processes(prefix: str = "") -> tuple[kit.Process, ...]:
    store = {
        "DB_HOST": "{mysql.host}",
        "DB_PORT": "{mysql.port}",
        "DB_USER": "{mysql.user}",
        "DB_PASSWORD": "{mysql.password}",
        "DB_NAME": "{mysql.database}",
        "KAFKA": "{kafka}",
        "PORT": "{port}",
    }
    run = (sys.executable, "-m", "chaos.strangers.naive")
    more = {"purchases": {"WAREHOUSE": "{url:warehouse}"}, "warehouse": {}}
    return tuple(
        kit.Process(name, (*run, prefix + name), {**store, **own, "GROUP": name}, folder="../../..")
        for name, own in more.items()
    )


class Naive(kit.Stranger):
    name = "the naive shop"
    needs = ("kafka", "mysql")
    topics = (kit.Topic("purchases", by="purchases"), kit.Topic("stock", by="warehouse"))
    processes = processes()
    states = STATES
    sees = ~kit.Sight(0) & ~(
        kit.Sight.VIEWS | kit.Sight.VERSIONS | kit.Sight.DEAD_LETTERS | kit.Sight.IDEMPOTENCY
    )
    blind = BLIND

    def client(self, number: int) -> kit.Client:
        return Client()

    def events(self, record: kit.Record) -> Iterator[kit.Event]:
        try:
            message = json.loads(record.value)
        except ValueError as error:
            raise kit.Unreadable(str(error)) from error
        about, id = str(message["purchase"]), str(message["id"])
        taken = {str(line["item"]): -line["count"] for line in message.get("lines", ())}
        match message["type"]:
            case "purchase_placed":
                mark = message["lines"][0]["price"]
                yield kit.Event("placed", about, state="PLACED", mark=mark, id=id)
            case "purchase_abandoned":
                yield kit.Event("ended", about, state="ABANDONED", id=id)
            case "stock_reserved":
                yield kit.Event("reserved", about, taken, id=id)
            case "stock_refused":
                yield kit.Event("refused", about, id=id)
            case "stock_released":
                given = {item: -count for item, count in taken.items()}
                yield kit.Event("released", about, given, id=id)


class Repaired(Naive):
    name = "the naive shop, repaired"
    processes = processes("repaired-")


class Client(kit.Client):
    def request(self, command: kit.Command) -> kit.Request | None:
        match command.do:
            case "open":
                item = {"name": f"item {command.mark}", "on_hand": command.amount}
                return kit.Request("warehouse", "POST", "/v1/items", item)
            case "place":
                lines = [
                    {"item": int(item), "count": -count, "price": command.mark}
                    for item, count in command.moves.items()
                ]
                return kit.Request("purchases", "POST", "/v1/purchases", {"lines": lines})
            case "cancel":
                path = f"/v1/purchases/{command.about}/abandon"
                return kit.Request("purchases", "POST", path)
            case "read":
                return kit.Request("purchases", "GET", f"/v1/purchases/{command.about}")
            case "read account":
                return kit.Request("warehouse", "GET", f"/v1/items/{command.about}")
            case _:
                return None

    def meaning(self, command: kit.Command, answer: kit.Answer) -> kit.Meant:
        data: dict[str, Any] = {}
        if answer.status < 300:
            data = json.loads(answer.body)["data"]
        shows = None
        if command.do == "read account" and data:
            shows = kit.Shown(amount=data["on_hand"])
        elif command.do == "read" and data:
            shows = kit.Shown(data["state"], data["total"], data["content"][0]["price"])
        return kit.Meant.by_status(answer, about=str(data.get("id", "")), shows=shows)
