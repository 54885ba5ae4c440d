"""A small history written by hand, in which every promise is kept, for tests to break one by one.

Ada buys two anvils and pays. Bob's order is canceled and gives its anvil back. Ada's order of nine
bolts gets none. A fourth order is paid, deleted, and due to be refunded. One message is poison.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from chaos.kit.checkers.views import folded
from chaos.kit.evidence import Evidence, Freeze
from chaos.kit.history import Op, Outcome
from chaos.shop.workloads.points import PROGRAMS
from chaos.shop.workloads.table import SIMULATED
from system import events
from system.events import Name, OrderItem, OrderStatus, ReservationState
from system.kit.delivery import outbox
from system.kit.delivery.dead_letters import dead_letter_id
from system.kit.events import Cause, Event, dlq
from system.kit.ports.log import Message, Partition, Record
from system.kit.ports.views import Document
from system.kit.values import cents, dumps, from_cents, loads, timestamp
from system.roles import QUERY_CONSUMER
from system.table import TABLE

PRICE = Decimal(10)
BEGAN = datetime(2026, 1, 31, 8, tzinfo=UTC)
PLACED = BEGAN + timedelta(seconds=1)
"""With their first version, as all changes are in this story."""
ANVIL, BOLT = 1, 2
POISON = "order.created"


class Story:
    """Everything that checkers see, open to changes."""

    def __init__(self) -> None:
        self.tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.log: dict[str, list[Record]] = defaultdict(list)
        self.history: list[Op] = []
        self.missing: list[str] = []
        self.failures: list[str] = []
        self.disturbances = 0
        self.stalled: frozenset[str] = frozenset()
        self.freezes: list[Freeze] = []
        self.put_in: set[Message] = set()
        self.emitted_under = [("a request", "a request")]
        self.views: dict[str, dict[int, Document]] | None = None
        self.shown: dict[str, list[dict[str, Any]]] | None = None
        self._numbers = 0
        self._requests: dict[UUID | None, UUID] = {}
        self._placed_for: dict[int, dict[int, int]] = {}
        self._write()

    # --- what tests change

    def row(self, table: str, **place: Any) -> dict[str, Any]:
        return next(
            row for row in self.tables[table] if all(row[name] == place[name] for name in place)
        )

    def drop_event(self, topic: str, number: int = 0) -> None:
        """Take an event out of the log, but not out of the outbox."""
        del self.log[topic][number]

    def unwrite(self, topic: str, number: int = 0) -> None:
        """Take an event out of the log and of the outbox, as if nobody had told of it."""
        value = self.log[topic].pop(number).message.value
        self.tables["outbox"] = [row for row in self.tables["outbox"] if row["payload"] != value]

    def tell(self, event: Event, because: UUID | None = None, *, stored: bool = True) -> UUID:
        """Put an event into the log; and into the outbox, unless it is a phantom.

        An event because of no other is a request's, and has that request's correlation id: its own.
        """
        request = self._requests.get(because, event.event_id)
        self._requests[event.event_id] = request
        cause = Cause(request, because, f"00-{1:032x}-{1:016x}-01")
        row: dict[str, Any] = outbox.row(event, cause, BEGAN)
        headers = tuple((name, text.encode()) for name, text in loads(row["headers"]).items())
        key = str(row["message_key"]).encode()
        self.append(Message(event.type, key, bytes(row["payload"]), headers))
        if stored:
            self.tables["outbox"].append(
                {**row, "id": len(self.tables["outbox"]) + 1, "processed_at": "then"}
            )
        for consumer in self._consumers(event.type):
            self.tables["processed_events"].append(
                {"event_id": str(event.event_id), "service_name": consumer}
            )
        return event.event_id

    def append(self, message: Message, partition: int = 0) -> Record:
        records = self.log[message.topic]
        record = Record(message, Partition(message.topic, partition), len(records), 0)
        records.append(record)
        return record

    def edit(self, topic: str, number: int, **changes: Any) -> None:
        """Change fields of an event, in the log and in the outbox alike."""
        before = self.log[topic][number]
        value = dumps({**loads(before.message.value), **changes})
        for row in self.tables["outbox"]:
            if row["payload"] == before.message.value:
                row["payload"] = value
        message = Message(topic, before.message.key, value, before.message.headers)
        self.log[topic][number] = Record(message, before.partition, before.offset, 0)

    def ask(self, method: str, path: str, **more: Any) -> Op:
        """Add an operation to the history; by default one that was answered with success."""
        more.setdefault("outcome", Outcome.OK)
        more.setdefault("status", 200 if more["outcome"] is Outcome.OK else 503)
        time = float(len(self.history))
        op = Op("client", method, path, began_s=time, ended_s=time + 0.5, **more)
        self.history.append(op)
        return op

    def read(self, path: str, body: Any, **more: Any) -> None:
        self.ask("GET", path, role="query-api", answer=dumps(body), **more)

    def shown_order(self, id: int, **changes: Any) -> dict[str, Any]:
        """An order as readers see it."""
        row = self.row("orders", id=id)
        return {
            "id": id,
            "updated_at": _text(row["updated_at"]),
            "reservation": row["reservation"],
            **changes,
        }

    def letters(self, record: Record, *consumers: str, **facts: str) -> None:
        """Park a record, as these consumers would."""
        place = record.partition
        for consumer in consumers:
            known = {
                "resolution": "",
                "id": dead_letter_id(place.topic, place.number, record.offset, consumer),
                "topic": place.topic,
                "partition": str(place.number),
                "offset": str(record.offset),
                "consumer": consumer,
                "error-type": "Poison",
                "error": "undecodable",
                "attempts": "1",
                "first-failed-at": timestamp(BEGAN),
                "last-failed-at": timestamp(BEGAN),
                "trace": "",
                **facts,
            }
            headers = tuple((f"dead-letter-{name}", text.encode()) for name, text in known.items())
            message = record.message
            self.append(
                Message(dlq(place.topic), message.key, message.value, (*message.headers, *headers))
            )

    def evidence(self) -> Evidence:
        made = Evidence(
            SIMULATED,
            history=tuple(self.history),
            tables=self.tables,
            log=self.log,
            stalled=self.stalled,
            freezes=self.freezes,
            put_in=self.put_in,
            emitted_under=self.emitted_under,
            missing=tuple(self.missing),
            failures=tuple(self.failures),
            disturbances=self.disturbances,
        )
        made.views = self.views if self.views is not None else views_of(made)
        made.shown = self.shown if self.shown is not None else self.truth()
        return made

    def truth(self) -> dict[str, list[dict[str, Any]]]:
        """What readers see at rest, when all is well."""
        left = {row["product_id"]: row["on_hand"] for row in self.tables["stock"]}
        names = {row["id"]: row["name"] for row in self.tables["users"]}
        return {
            "users": [dict(row) for row in self.tables["users"]],
            "products": [
                {**row, "cents": row["price"], "stock": left[row["id"]]}
                for row in self.tables["products"]
            ],
            "orders": [
                {
                    **row,
                    "paid": bool(row["paid"]),
                    "refund_due": bool(row["refund_due"]),
                    "cents": row["total_amount"],
                    "user_name": names[row["user_id"]],
                    "items": self._shown_items(row["id"]),
                }
                for row in self.tables["orders"]
            ],
        }

    def _shown_items(self, order_id: int) -> list[dict[str, Any]]:
        names = {row["id"]: row["name"] for row in self.tables["products"]}
        return [
            {
                "product_id": row["product_id"],
                "quantity": row["quantity"],
                "unit_price": from_cents(row["unit_price"]),
                "product_name": names[row["product_id"]],
            }
            for row in self.tables["order_products"]
            if row["order_id"] == order_id
        ]

    # --- the story itself

    def _write(self) -> None:
        self._user(1, "Ada")
        self._user(2, "Bob")
        self._product(ANVIL, "Anvil", 5)
        self._product(BOLT, "Bolt", 3)
        self._bought_and_paid()
        self._canceled()
        self._out_of_stock()
        self._deleted()
        poison = self.append(Message(POISON, b"9", b"\xff", ()))
        self.put_in.add(poison.message)
        self.letters(poison, "product-consumer", QUERY_CONSUMER)
        for program in PROGRAMS:
            self.tables["points"].append({"program": program, "user_id": 1, "begun": 2, "ended": 2})

    def _bought_and_paid(self) -> None:
        created = self._placed(1, 1, {ANVIL: 2})
        self._moved(1, ANVIL, 2, ReservationState.RESERVED, left=3, version=2, because=created)
        self._reservation(1, "reserved", 1, {ANVIL: 2})
        self._step(events.OrderPaid, self._order(1, 1, {ANVIL: 2}, OrderStatus.PAID, paid=True), 2)
        self._order_row(1, 1, "PAID", 2, "reserved", 1, paid=1)

    def _canceled(self) -> None:
        created = self._placed(2, 2, {ANVIL: 1})
        self._moved(2, ANVIL, 1, ReservationState.RESERVED, left=2, version=3, because=created)
        canceled = self._order(2, 2, {ANVIL: 1}, OrderStatus.CANCELED, reason="too heavy")
        why = self._step(events.OrderCanceled, canceled, 2, reason="too heavy", refund_due=False)
        self._moved(2, ANVIL, 1, ReservationState.RELEASED, left=3, version=4, because=why)
        self._reservation(2, "released", 2, {ANVIL: 1})
        self._order_row(2, 2, "CANCELED", 2, "released", 2, reason="too heavy")

    def _out_of_stock(self) -> None:
        created = self._placed(3, 1, {BOLT: 9})
        rejected = self.tell(
            events.StockRejected(
                event_id=self._id(),
                occurred_at=BEGAN,
                order_id=3,
                reason="out of stock",
                missing=(events.Missing(product_id=BOLT, wanted=9, left=3),),
                reservation_version=1,
            ),
            created,
        )
        order = self._order(3, 1, {BOLT: 9}, OrderStatus.CANCELED, reason="out of stock")
        self._step(
            events.OrderCanceled, order, 2, rejected, reason="out of stock", refund_due=False
        )
        self._reservation(3, "rejected", 1, {})
        self._order_row(3, 1, "CANCELED", 2, "rejected", 1, reason="out of stock")

    def _deleted(self) -> None:
        created = self._placed(4, 1, {ANVIL: 1})
        self._moved(4, ANVIL, 1, ReservationState.RESERVED, left=2, version=5, because=created)
        self._step(events.OrderPaid, self._order(4, 1, {ANVIL: 1}, OrderStatus.PAID, paid=True), 2)
        deleted = self.tell(
            events.OrderDeleted(
                event_id=self._id(),
                occurred_at=BEGAN,
                order_id=4,
                items=_items({ANVIL: 1}),
                refund_due=True,
                version=3,
            )
        )
        self._moved(4, ANVIL, 1, ReservationState.RELEASED, left=3, version=6, because=deleted)
        self._reservation(4, "released", 2, {ANVIL: 1})
        self.row("stock", product_id=ANVIL).update(on_hand=3, version=6)

    def _user(self, id: int, name: str) -> None:
        user = events.User(
            id=id, name=name, email=f"{name}@example.com", created_at=BEGAN, updated_at=BEGAN
        )
        self.tell(events.UserCreated(event_id=self._id(), occurred_at=BEGAN, user=user, version=1))
        self.tables["users"].append({"id": id, "name": name, "email": user.email, "version": 1})

    def _product(self, id: int, name: str, stock: int) -> None:
        product = events.Product(
            id=id, name=name, price=PRICE, stock=stock, created_at=BEGAN, updated_at=BEGAN
        )
        self.tell(
            events.ProductCreated(
                event_id=self._id(), occurred_at=BEGAN, product=product, version=1, stock_version=1
            )
        )
        self.tables["products"].append({"id": id, "name": name, "price": 1000, "version": 1})
        self.tables["stock"].append({"product_id": id, "on_hand": stock, "version": 1})

    def _placed(self, id: int, user_id: int, lines: dict[int, int]) -> UUID:
        order = self._order(id, user_id, lines, OrderStatus.CREATED)
        self._placed_for[id] = lines
        names = tuple(
            Name(id=id, name=self.row("products", id=id)["name"], version=1) for id in lines
        )
        user = Name(id=user_id, name=self.row("users", id=user_id)["name"], version=1)
        return self._step(events.OrderCreated, order, 1, user_name=user, product_names=names)

    def _order(
        self,
        id: int,
        user_id: int,
        lines: dict[int, int],
        status: OrderStatus,
        *,
        paid: bool = False,
        reason: str | None = None,
    ) -> events.Order:
        return events.Order(
            id=id,
            user_id=user_id,
            status=status,
            paid=paid,
            total_amount=PRICE * sum(lines.values()),
            items=_items(lines),
            payment_method="card" if paid else None,
            cancel_reason=reason,
            refund_due=False,
            created_at=BEGAN,
            updated_at=BEGAN,
        )

    def _step(
        self,
        type: Any,
        order: events.Order,
        version: int,
        because: UUID | None = None,
        **more: Any,
    ) -> UUID:
        now = BEGAN + timedelta(seconds=version)
        order = order.model_copy(update={"created_at": PLACED, "updated_at": now})
        return self.tell(
            type(
                event_id=self._id(),
                occurred_at=now,
                order_id=order.id,
                order=order,
                version=version,
                **more,
            ),
            because,
        )

    def _moved(
        self,
        order_id: int,
        product_id: int,
        quantity: int,
        state: ReservationState,
        *,
        left: int,
        version: int,
        because: UUID,
    ) -> None:
        type = events.StockReserved if state is ReservationState.RESERVED else events.StockReleased
        self.tell(
            type(
                event_id=self._id(),
                occurred_at=BEGAN,
                order_id=order_id,
                product_id=product_id,
                quantity=quantity,
                stock=left,
                stock_version=version,
                reservation=state,
                reservation_version=1 if state is ReservationState.RESERVED else 2,
            ),
            because,
        )

    def _reservation(self, id: int, state: str, version: int, lines: dict[int, int]) -> None:
        self.tables["reservations"].append(
            {
                "order_id": id,
                "state": state,
                "version": version,
                "lines": dumps(list(lines.items())),
            }
        )

    def _order_row(
        self,
        id: int,
        user_id: int,
        status: str,
        version: int,
        reservation: str,
        reservation_version: int,
        *,
        paid: int = 0,
        reason: str | None = None,
    ) -> None:
        self.tables["orders"].append(
            {
                "id": id,
                "user_id": user_id,
                "status": status,
                "paid": paid,
                "total_amount": cents(PRICE * sum(self._placed_for[id].values())),
                "payment_method": "card" if paid else None,
                "cancel_reason": reason,
                "refund_due": 0,
                "reservation": reservation,
                "reservation_version": reservation_version,
                "version": version,
                "created_at": PLACED,
                "updated_at": BEGAN + timedelta(seconds=version),
            }
        )

        self.tables["order_products"] += [
            {
                "order_id": id,
                "line": number,
                "product_id": product_id,
                "quantity": quantity,
                "unit_price": cents(PRICE),
            }
            for number, (product_id, quantity) in enumerate(self._placed_for[id].items())
        ]

    def _id(self) -> UUID:
        self._numbers += 1
        return UUID(int=self._numbers, version=4)

    @staticmethod
    def _consumers(topic: str) -> list[str]:
        if topic == "order.paid":
            return list(PROGRAMS)
        return [name for row in TABLE if row.event.type == topic for name in row.reacts]


def views_of(evidence: Evidence) -> dict[str, dict[int, Document]]:
    """The views of a story, when all is well."""
    made: dict[str, dict[int, Document]] = defaultdict(dict)
    for (view, key, part), put in folded(evidence).items():
        before = made[view].get(key, Document(key, {}, {}))
        made[view][key] = Document(
            key, {**before.parts, part: put.fields}, {**before.versions, part: put.version}
        )
    return dict(made)


def _items(lines: dict[int, int]) -> tuple[OrderItem, ...]:
    return tuple(
        OrderItem(product_id=product_id, quantity=quantity, unit_price=PRICE)
        for product_id, quantity in lines.items()
    )


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
