"""Who asks for what: the users of the shop under load."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any

import gevent
from gevent.pool import Pool
from locust import task

from chaos.kit.history import Outcome, outcome_of
from load.kit.arrivals import due_times
from load.kit.evidence import Asked, Facts, Json, Seen, Step
from load.kit.promises import MAKING
from load.kit.users import Answer, JudgedUser
from load.shop.options import HOST, Wanted
from load.shop.orders import CANCEL, PAY, cents, made, state
from load.shop.where import Where
from system.kit.http.headers import CONSISTENCY_TOKEN, IDEMPOTENCY_KEY

PAGES_MAX = 5
"""A browser turns so many pages of a list."""
IN_FLIGHT_MAX = 500
"""Of one Arrivals user. What arrives beyond it waits, and its latency says so."""
AGAIN_S = 0.05
VISIBLE_S = 30.0
"""So long a reader looks for what it has written. The judge says what became of it."""
PROVOKED = 0.05
"""The share of shoppers who ask for what cannot be: they expect to be refused."""


class Customer(JudgedUser):
    """Somebody with a basket. What each profile does is built from these steps."""

    abstract = True
    host = HOST

    def on_start(self) -> None:
        """Know the run's world; without one it could not begin, and nobody has anything to do."""
        world = self.run_of.world
        if world is None:
            raise gevent.GreenletExit  # StopUser would be logged, with its traceback
        self.world: Mapping[str, Json] = world
        wanted = Wanted.of(vars(self.environment.parsed_options), self.environment.host)
        self.where: Where = wanted.where
        self.think_s = wanted.think_s
        self.rate = wanted.rate

    def wait_time(self) -> float:
        return random.uniform(*self.think_s)

    def think(self) -> None:
        gevent.sleep(self.wait_time())

    # --- steps ------------------------------------------------------------------------------------

    def place(self, lines: Sequence[tuple[int, int]], *, due_s: float | None = None) -> Json | None:
        """Place an order of products and quantities. Its price tells it from all others."""
        mark = self.run_of.next_mark()
        items: list[Json] = [{"product_id": id, "quantity": quantity} for id, quantity in lines]
        items[0]["unit_price"] = mark / 100
        body = {"user_id": random.choice(self.world["customers"]), "items": items}
        answer = Answer(0)
        try:
            answer = self.send(
                "POST",
                f"{self.where.role('order-api')}/orders",
                name="/orders" if due_s is None else "/orders (arrivals)",
                expect=(201,),
                wrong=lambda order: _differs(order, body),
                needs=CONSISTENCY_TOKEN,
                body=body,
                headers={IDEMPOTENCY_KEY: f"{self.world['run']}-{mark}"},
                due_s=due_s,
            )
        finally:  # also when this user is stopped in between: what was sent may be done
            self.run_of.record(_asked(mark, answer))
        return self._accepted(answer)

    def step(self, order: Json, name: str, body: Json, *, expect: Sequence[int]) -> Json | None:
        """Pay or cancel. 409 is an answer: the stock may have said no meanwhile."""
        answer = Answer(0)
        id = order["id"]
        try:
            answer = self.send(
                "POST",
                f"{self.where.role('order-api')}/orders/{id}/{name}",
                name=f"/orders/{{id}}/{name}",
                expect=expect,
                wrong=lambda now: None if now["id"] == id else f"order {now['id']}, not {id}",
                needs=CONSISTENCY_TOKEN,
                body=body,
                headers={IDEMPOTENCY_KEY: f"{self.world['run']}-{id}-{perf_counter()}"},
            )
        finally:
            self.run_of.record(Step(id, name, _outcome(answer, "POST")))
        return self._accepted(answer)

    def look(self, order: Json, after: str) -> Facts | None:
        """Look until the query side shows the step with whose token it is asked."""
        began_s, token = order["answered_s"], order["token"]
        while perf_counter() - began_s < VISIBLE_S:
            answer = self.send(
                "GET",
                f"{self.where.role('query-api')}/orders/{order['id']}",
                name="/orders/{id} (own token)",
                expect=(200,),
                headers={CONSISTENCY_TOKEN: token},
            )
            if answer.status == 200:
                facts = state(answer.body)
                visible_ms = round((answer.answered_s - began_s) * 1000, 1)
                self.run_of.record(Seen(order["id"], after, facts, visible_ms))
                return facts
            if answer.status == 404:
                self.run_of.record(Seen(order["id"], after, None))
            if answer.status and answer.retry_after_s is None:
                return None
            gevent.sleep(answer.retry_after_s or AGAIN_S)
        return None

    def _accepted(self, answer: Answer) -> Json | None:
        """The order, with what its next step needs of the answer. Honours Retry-After."""
        if answer.retry_after_s is not None:
            gevent.sleep(answer.retry_after_s)
        if answer.status not in (200, 201) or not isinstance(answer.body, dict):
            return None
        token = answer.headers.get(CONSISTENCY_TOKEN.lower(), "")
        return {**answer.body, "token": token, "answered_s": answer.answered_s}

    def plenty(self, count: int) -> list[int]:
        """Some products of which there is plenty, if there are so many."""
        others = [id for id in self.world["products"] if id != self.world["hot"]]
        return random.sample(others, min(count, len(others))) or [self.world["hot"]]


class Shopper(Customer):
    """Places an order, looks at it with its own token, and pays, cancels, or leaves it."""

    weight = 5

    @task(20)
    def shop(self) -> None:
        lines = [(id, random.randint(1, 3)) for id in self.plenty(random.randint(1, 3))]
        order = self.place(lines)
        if order is None:
            return
        self.look(order, MAKING)
        self.think()
        chance = random.random()
        if chance < 0.5:
            self._pay(order)
        elif chance < 0.8:
            canceled = self.step(order, CANCEL, {"reason": "found it cheaper"}, expect=(200, 409))
            if canceled is not None:
                self.look(canceled, CANCEL)

    def _pay(self, order: Json) -> None:
        paid = self.step(order, PAY, {"payment_method": "card"}, expect=(200, 409))
        if paid is None:
            return
        self.look(paid, PAY)
        if random.random() < PROVOKED:
            self.step(order, PAY, {"payment_method": "card"}, expect=(409,))

    @task(1)
    def ask_for_what_cannot_be(self) -> None:
        """Of nobody: refused with 422, on purpose."""
        body = {"user_id": 2**63 - 1, "items": [{"product_id": self.world["hot"], "quantity": 1}]}
        url = f"{self.where.role('order-api')}/orders"
        self.send("POST", url, name="/orders (of nobody)", expect=(422,), body=body)


class HotProduct(Customer):
    """Wants what all others of its kind want, and of which there is too little for them."""

    weight = 1

    @task
    def buy(self) -> None:
        lines = [(self.world["hot"], random.randint(1, 3))]
        lines += [(id, 1) for id in self.plenty(1) if id != self.world["hot"]]
        order = self.place(lines)
        if order is not None:
            self.look(order, MAKING)


class Browser(Customer):
    """Reads lists and what is in them, page by page, and buys nothing."""

    weight = 3

    @task(3)
    def products(self) -> None:
        for product in self._list("products", {}):
            self._one("products", product["id"])
            return

    @task(2)
    def own_orders(self) -> None:
        customer = random.choice(self.world["customers"])
        for order in self._list("orders", {"user_id": customer}):
            if order["user_id"] == customer:
                self._one("orders", order["id"])
                return

    @task(1)
    def orders_by_status(self) -> None:
        status = random.choice(["CREATED", "PAID", "CANCELED"])
        for _ in self._list("orders", {"status": status}):
            pass

    def _list(self, view: str, filters: Mapping[str, object]) -> Iterator[Json]:
        """Every item of the first pages. A page that repeats, or shows what was not asked for, fails."""
        after, last = "", 0
        name = f"/{view}" + (f"?{'&'.join(filters)}" if filters else "")
        for _ in range(PAGES_MAX):
            params = {**filters, "limit": 20, **({"after": after} if after else {})}
            query = "&".join(f"{key}={value}" for key, value in params.items())
            answer = self.send(
                "GET",
                f"{self.where.role('query-api')}/{view}?{query}",
                name=name,
                expect=(200,),
                wrong=partial(_wrong_page, view=view, filters=filters, last=last),
            )
            if answer.status != 200:
                return
            items = answer.body[view]
            yield from items
            if not answer.body["next"]:
                return
            after, last = answer.body["next"], items[-1]["id"]
            self.think()

    def _one(self, view: str, id: int) -> None:
        self.send(
            "GET",
            f"{self.where.role('query-api')}/{view}/{id}",
            name=f"/{view}/{{id}}",
            expect=(200,),
            wrong=lambda item: None if item["id"] == id else f"{item['id']}, not {id}",
        )


class Arrivals(Customer):
    """An open workload: `--rate` orders a second from each user, however slow the answers are."""

    weight = 1
    concurrency = IN_FLIGHT_MAX

    def on_start(self) -> None:
        self._pool = Pool(IN_FLIGHT_MAX)
        super().on_start()
        # users begin apart from each other, or their orders would arrive in bursts
        begin_s = perf_counter() + random.random() / self.rate
        self._due = due_times(self.rate, begin_s=begin_s)

    def wait_time(self) -> float:
        return 0.0  # the schedule waits

    @task
    def arrive(self) -> None:
        due_s = next(self._due)
        gevent.sleep(max(0.0, due_s - perf_counter()))
        self._pool.spawn(self._order, due_s)  # waits while the pool is full

    def _order(self, due_s: float) -> None:
        order = self.place([(self.plenty(1)[0], 1)], due_s=due_s)
        if order is not None:
            self.look(order, MAKING)

    def on_stop(self) -> None:
        self._pool.kill()


def _asked(mark: int, answer: Answer) -> Asked:
    outcome = _outcome(answer, "POST")
    if outcome is Outcome.OK:
        return Asked(mark, outcome, answer.body["id"], made(answer.body))
    return Asked(mark, outcome)


def _outcome(answer: Answer, method: str) -> Outcome:
    if answer.never_sent:
        return Outcome.FAIL
    return outcome_of(answer.status or None, method, answer.problem)


def _differs(order: Json, asked: Json) -> str | None:
    """What of the order is not as it was asked for."""
    wanted = [(item["product_id"], item["quantity"]) for item in asked["items"]]
    found = [(item["product_id"], item["quantity"]) for item in order["items"]]
    if (order["user_id"], found) != (asked["user_id"], wanted):
        return f"order {order['id']} of {order['user_id']}: {found}, asked for {wanted}"
    total = sum(cents(item["unit_price"]) * item["quantity"] for item in order["items"])
    if cents(order["total_amount"]) != total:
        return f"order {order['id']}: {order['total_amount']} in total"
    return None


def _wrong_page(page: Json, *, view: str, filters: Mapping[str, object], last: int) -> str | None:
    ids = [item["id"] for item in page[view]]
    if ids != sorted(set(ids)) or (ids and ids[0] <= last):
        return f"{view} {ids[:3]} … after {last}"
    for item in page[view]:
        for field, value in filters.items():
            if item[field] != value:
                return f"{view} {item['id']} with {field} {item[field]}, asked for {value}"
    return None


PROFILES: tuple[type[Any], ...] = (Shopper, HotProduct, Browser, Arrivals)
