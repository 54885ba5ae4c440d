"""The users and products that a run orders with: made at its start, fresh ones each time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from chaos.kit.history import Outcome
from load.kit import gauges, http
from load.kit.bad_use import BadUse
from load.kit.evidence import Asked, Facts
from load.kit.rest import CannotLook
from load.shop.options import Wanted
from load.shop.orders import made
from load.shop.where import PARKED, PORTS, Where

PLENTY = 1_000_000
FIRST_MARKS = 10**11
"""The marks of the first orders, which no worker gives (`Marks`)."""


@dataclass(frozen=True, slots=True)
class World:
    """What is there to order with."""

    run: str
    """Unlike any other run's: it makes keys and addresses unique."""
    customers: Sequence[int]
    products: Sequence[int]
    hot: int
    facts: Facts
    """What the evidence begins with."""
    first: Sequence[Asked]
    """An order of each customer, so that lists have something to show."""


def check(wanted: Wanted) -> None:
    """See that the whole system is there, and ready. Raises BadUse, which names who is missing."""
    missing: dict[str, str] = {}
    for role, urls in wanted.where.urls.items():
        for url in urls:
            if reason := _why_not(role, url):
                missing[role] = reason
    if missing:
        some = next(iter(missing.values()))
        who = "no system there" if len(missing) == len(PORTS) else f"no {', '.join(missing)}"
        raise BadUse(
            f"{who}: {some}. `python -m system` starts one; --host and the options in docs/load.md say where it is"
        )


def _why_not(role: str, url: str) -> str:
    """Why this is not the role, ready for work. Empty: it is."""
    try:
        if _service(http.ask(f"{url}/")) != role:
            return f"{url} is something else"
        if (status := http.ask(f"{url}/readyz").status) != 200:
            return f"{url} is not ready ({status})"
    except http.NoAnswer as none:
        return str(none)
    return ""


def _service(answer: http.Answer) -> object:
    """Who it says it is."""
    try:
        described = answer.json
    except ValueError:
        return None
    return described.get("service") if isinstance(described, dict) else None


def made_for(wanted: Wanted) -> World:
    """Make what a run needs. Raises BadUse."""
    check(wanted)
    run = uuid4().hex[:12]
    try:
        customers = [_customer(wanted.where, run, number) for number in range(wanted.customers)]
        offered = _offered(wanted, run) if wanted.seed else _there(wanted.where)
        products = list(offered)
        first = [
            _first(wanted.where, customer, products[-1], number)
            for number, customer in enumerate(customers)
        ]
        parked = gauges.by_label(wanted.where.look(), PARKED.sample)
    except (http.NoAnswer, CannotLook) as error:
        raise BadUse(f"the system went away while the run was set up: {error}") from error
    facts = {
        "id": run,
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "roles": dict(wanted.where.urls),
        "users": customers,
        "products": {str(id): put for id, put in offered.items()},
        "parked": parked,
    }
    return World(run, customers, products, products[0], facts, first)


def _customer(where: Where, run: str, number: int) -> int:
    body = {"name": f"Customer {number}", "email": f"load-{run}-{number}@example.com"}
    return int(_made(f"{where.role('user-api')}/users", body)["id"])


def _offered(wanted: Wanted, run: str) -> dict[int, int | None]:
    """The new products with their stock; the hot one first."""
    offered: dict[int, int | None] = {}
    for number, stock in enumerate([wanted.hot_stock, *[PLENTY] * wanted.products]):
        body = {
            "name": f"Thing {number} of {run}",
            "price": Decimal(number * 100 + 990).scaleb(-2),
            "stock": stock,
        }
        offered[int(_made(f"{wanted.where.role('product-api')}/products", body)["id"])] = stock
    return offered


def _there(where: Where) -> dict[int, int | None]:
    """The products that are there. Nobody knows what was put into their stock, or who takes it."""
    answer = http.ask(f"{where.role('product-api')}/products", params={"limit": 100})
    products = answer.json["products"] if answer.status == 200 else []
    if not products:
        raise BadUse("there is no product to order: leave --no-seed out, or make some")
    return {product["id"]: None for product in products}


def _first(where: Where, customer: int, product: int, number: int) -> Asked:
    mark = FIRST_MARKS + number
    item = {"product_id": product, "quantity": 1, "unit_price": Decimal(mark).scaleb(-2)}
    order = _made(f"{where.role('order-api')}/orders", {"user_id": customer, "items": [item]})
    return Asked(mark, Outcome.OK, order["id"], made(order))


def _made(url: str, body: Any) -> Any:  # the resource that came back
    answer = http.ask(url, "POST", body)
    if answer.status != 201:
        raise BadUse(f"cannot set up the run: {answer.status} from {url}: {answer.content[:200]!r}")
    return answer.json
