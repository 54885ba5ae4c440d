"""Things that exist, for generated requests to be about: ids, emails, keys, tokens, dead letters.

A generator knows the form of an id and not which ones there are: nearly all that it asks for would be
404. So most of its good requests are given something that is there, by turns, and the rest are left
as they came: what is unknown, or comes twice, has to be answered, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import requests
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

from contracts.kit.openapi import Case

PLENTY = 1_000_000_000
"""Of the product that orders are made of: they must not end for want of stock."""
TIMEOUT_S = 60

Json = dict[str, Any]


@dataclass
class Things:
    """Makes things in a running system, over its own HTTP APIs."""

    url: Callable[[str], str]
    """Where a role is."""
    random: Random
    make_letter: Callable[[str], str] | None = None
    """Parks a message for a consumer, and gives the letter's id. Nothing can, over HTTP alone."""
    session: requests.Session = field(default_factory=requests.Session)
    _turns: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.email = self._new_email()
        self.user = self._make("user-api", "/users", {"name": "Ada", "email": self.email})
        """Somebody with orders, who therefore stays."""
        self.product = self.new_product()
        """Something that was ordered, and therefore stays. Nobody changes its stock."""
        placed = self._place()
        self.order = int(placed.json()["id"])
        self.token = placed.headers["Consistency-Token"]
        self.ready: Mapping[str, Callable[[], int]] = {
            "POST /orders/{id}/pay": self.new_order,
            "POST /orders/{id}/cancel": self.new_order,
            "PUT /users/{id}": self.new_user,
        }
        """What makes a thing with which the operation succeeds, where it does not with any."""
        self.spare = {label: make() for label, make in self.ready.items()}
        """Things to which nothing was done since, each for its one operation."""

    # --- making -----------------------------------------------------------------------------------

    def new_user(self) -> int:
        return self._make("user-api", "/users", {"name": "Ada", "email": self._new_email()})

    def new_product(self) -> int:
        return self._make("product-api", "/products", {"name": "A", "price": 1, "stock": PLENTY})

    def new_order(self) -> int:
        return int(self._place().json()["id"])

    def _place(self) -> requests.Response:
        items = [{"product_id": self.product, "quantity": 1}]
        return self._post("order-api", "/orders", {"user_id": self.user, "items": items})

    def _make(self, role: str, path: str, body: Json) -> int:
        return int(self._post(role, path, body).json()["id"])

    def _post(self, role: str, path: str, body: Json) -> requests.Response:
        answer = self.session.post(self.url(role) + path, json=body, timeout=TIMEOUT_S)
        answer.raise_for_status()
        return answer

    def _new_email(self) -> str:
        return f"{self._name()}@b.co"

    def _name(self) -> str:
        return f"{self.random.getrandbits(64):x}"

    # --- giving them to a request -----------------------------------------------------------------

    def give(self, case: Case) -> None:
        """Make those parts of a request that are good in form good in substance, too, by turns."""
        for name, value in case.headers.items():
            case.headers[name] = str(value)  # a value of another's answer can come as a number
        if case.meta is None:
            return
        if _is_good(case, ParameterLocation.HEADER):
            self._give_headers(case)
        if _is_good(case, ParameterLocation.BODY) and isinstance(case.body, dict):
            case.body = self._body(case, case.body)
        if _follows_links(case):
            return  # its ids are those that links have led to
        if "id" in case.path_parameters and _is_good(case, ParameterLocation.PATH):
            self._give_id(case)
        if "id" in case.query and _is_good(case, ParameterLocation.QUERY):
            self._give_letter(case)

    def _turn(self, case: Case, kinds: str) -> str:
        """One of these kinds, by turns per operation: so every run sees each of them."""
        each = f"{case.operation.label} {kinds}"
        self._turns[each] += 1
        names = kinds.split()
        return names[self._turns[each] % len(names)]

    def _give_headers(self, case: Case) -> None:
        if "Idempotency-Key" in case.headers and (
            _follows_links(case) or self._turn(case, "new new new any") == "new"
        ):
            case.headers["Idempotency-Key"] = self._name()
        for name, holds in (("If-Match", "*"), ("If-None-Match", '"0"')):
            if name in case.headers:  # any other would hardly ever hold
                case.headers[name] = holds
        if "Consistency-Token" in case.headers:  # any other would be waited for in vain
            case.headers["Consistency-Token"] = self.token

    def _give_id(self, case: Case) -> None:
        kind = case.path.split("/")[1]
        known = {"users": self.user, "products": self.product, "orders": self.order}[kind]
        make = {"users": self.new_user, "products": self.new_product, "orders": self.new_order}
        match self._turn(case, "good good known good any"):
            case "good":
                reads = case.method in ("GET", "HEAD")  # the query side has new ones only later
                ready = self.ready.get(case.operation.label, make[kind])
                case.path_parameters["id"] = known if reads else ready()
            case "known" if kind != "products" or case.method != "PUT":
                case.path_parameters["id"] = known

    def _give_letter(self, case: Case) -> None:
        if self._turn(case, "known known known any") == "known":
            case.query["id"] = self._letter(case)

    def _letter(self, case: Case) -> str:
        role = case.operation.schema.raw_schema["info"]["title"]
        return self.make_letter(role) if self.make_letter else f"order.created:0:0:{role}"

    def _body(self, case: Case, body: Json) -> Json:
        if self._turn(case, "cents cents cents any") == "cents":
            body = _in_cents(body)
        match case.path:
            case "/users" | "/users/{id}" if "email" in body:
                return {**body, "email": self._email(case, body)}
            case "/orders":
                return self._order_of_known(case, body)
            case "/orders/{id}" if self._turn(case, "allowed allowed any") == "allowed":
                return {"status": "PROCESSING"}
            case "/admin/dead-letters/replay" | "/admin/dead-letters/purge" if "ids" in body:
                known = self._turn(case, "known known known any") == "known"
                return {**body, "ids": [self._letter(case)]} if known else body
        return body

    def _email(self, case: Case, body: Json) -> object:
        emails = {"new": self._new_email(), "taken": self.email, "any": body["email"]}
        return emails[self._turn(case, "new new new any taken")]

    def _order_of_known(self, case: Case, body: Json) -> Json:
        turn = self._turn(case, "known known known known nobody nothing")
        known: Json = {} if turn == "nobody" else {"user_id": self.user}
        if turn != "nothing":
            known["items"] = [{**item, "product_id": self.product} for item in body["items"]]
        return {**body, **known}


def _follows_links(case: Case) -> bool:
    """An old key would repeat the answer that something was made, which may be gone by now."""
    return case.meta is not None and case.meta.phase.name is TestPhase.STATEFUL


def _is_good(case: Case, location: ParameterLocation) -> bool:
    assert case.meta is not None
    component = case.meta.components.get(location)
    return case.meta.generation.mode.is_positive or (
        component is not None and component.mode.is_positive
    )


def _in_cents(value: Any) -> Any:  # JSON
    """The same with at most two decimals, which is said in words and not in the schema."""
    match value:
        case float():
            return round(value, 2)
        case Mapping():
            return {name: _in_cents(inner) for name, inner in value.items()}
        case list():
            return [_in_cents(inner) for inner in value]
    return value
