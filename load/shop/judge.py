"""The judge: waits for rest, reads what both sides show of a run's orders, and judges.

It asks HTTP and /metrics alone, as anybody could. Only the run's own users, products and orders
count, so that a system with other data is as good as an empty one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

from chaos.kit.promises import Checker, Verdict, catalog
from load.kit import http, promises
from load.kit.evidence import Evidence
from load.kit.promises import Account, Books, Thing
from load.kit.rest import CannotLook, Rest, come_to_rest
from load.shop.orders import OrderRules, thing
from load.shop.where import Where, parked, under_way

PAGE = 500
WITHIN_S = 60.0
SETTLED_S = 6.0
"""Longer than a relay measures its backlog: every 5 s."""

PROMISES: tuple[Checker[Books], ...] = (
    Checker(catalog.ACKNOWLEDGED_HAS_ITS_EFFECT, promises.acknowledged_has_its_effect),
    Checker(catalog.ACKNOWLEDGED_IS_SHOWN, promises.acknowledged_is_shown, at_rest=True),
    Checker(catalog.REFUSED_HAS_NO_EFFECT, promises.refused_has_no_effect, at_rest=True),
    Checker(catalog.COMMANDS_TAKE_EFFECT_ONCE, promises.commands_take_effect_once, at_rest=True),
    Checker(catalog.NOTHING_UNASKED, promises.nothing_unasked, at_rest=True),
    Checker(catalog.AMOUNTS_ARE_HELD_BY_THINGS, promises.amounts_are_held_by_things, at_rest=True),
    Checker(catalog.NEVER_NEGATIVE, promises.never_negative, at_rest=True),
    Checker(catalog.NEVER_MORE_THAN_THERE_IS, promises.never_more_than_there_is, at_rest=True),
    Checker(catalog.FINAL_STATES_REACHED, promises.final_states_reached, at_rest=True),
    Checker(catalog.VIEWS_SHOW_THE_TRUTH, promises.views_show_the_truth, at_rest=True),
    Checker(catalog.CONSISTENCY_TOKEN_HONOURED, promises.consistency_token_honoured),
    Checker(catalog.READERS_NEVER_GO_BACK, promises.readers_never_go_back),
    Checker(
        catalog.DEAD_LETTERS_ARE_THE_POISON, promises.dead_letters_are_the_poison, at_rest=True
    ),
)


@dataclass(frozen=True)
class Verdicts:
    """What the judge found."""

    evidence: Evidence
    rest: Rest
    judged: Sequence[Verdict]


class CannotAsk(Exception):
    """The system does not answer the judge. The text is one line."""


def verdicts(
    evidence: Evidence, *, within_s: float = WITHIN_S, settled_s: float = SETTLED_S
) -> Verdicts:
    """Judge a run by its evidence and by what the system shows now. Raises CannotAsk."""
    run = evidence.run
    where = Where(run["roles"])
    rest = come_to_rest(where.look, under_way, settled_s=settled_s, within_s=within_s)
    try:
        books = Books(
            evidence,
            OrderRules(),
            written=_orders(where, "order-api", run["users"]),
            shown=_orders(where, "query-api", run["users"]),
            accounts=_accounts(where, run["products"]),
            pairs=list(_pairs(where, run)),
            parked=_parked(where, run),
        )
    except http.NoAnswer as none:
        raise CannotAsk(str(none)) from none
    return Verdicts(evidence, rest, promises.judge(books, PROMISES, unrest=rest.unrest))


def _orders(where: Where, role: str, users: Sequence[int]) -> Mapping[int, Thing]:
    """All orders of the run's users, as one side shows them."""
    return {
        order["id"]: thing(order)
        for user in users
        for order in _pages(f"{where.role(role)}/orders", "orders", user_id=user)
    }


def _pages(url: str, name: str, **params: object) -> Iterator[Any]:  # resources, as they came
    after: dict[str, object] = {}
    while True:
        answer = http.ask(url, params={**params, "limit": PAGE, **after})
        if answer.status != 200:
            raise CannotAsk(f"{answer.status} from {url}: {answer.content[:200]!r}")
        page = answer.json
        yield from page[name]
        if page["next"] is None:
            return
        after = {"after": page["next"]}


def _accounts(where: Where, products: Mapping[str, int | None]) -> Sequence[Account]:
    """`products` has the stock that the run has given each of them; None: it was there before."""
    found = []
    for id, put in products.items():
        answer = http.ask(f"{where.role('product-api')}/products/{id}")
        if answer.status == 200:
            found.append(Account(int(id), put, answer.json["stock"]))
    return found


def _pairs(where: Where, run: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
    """Users and products, as each side shows them."""
    for role, view, ids in (
        ("user-api", "users", run["users"]),
        ("product-api", "products", run["products"]),
    ):
        for id in ids:
            sides = (http.ask(f"{where.role(side)}/{view}/{id}") for side in (role, "query-api"))
            written, shown = (answer.json if answer.status == 200 else None for answer in sides)
            yield f"{view} {id}", written, shown


def _parked(where: Where, run: Mapping[str, Any]) -> Mapping[str, int] | None:
    try:
        return parked(run.get("parked"), where.look())
    except CannotLook:
        return None


def summary(found: Verdicts) -> Iterator[str]:
    """What was judged, before the verdicts."""
    asked = found.evidence.asked
    outcomes = [one.outcome.value for one in asked]
    yield (
        f"{len(asked)} orders asked for: {outcomes.count('ok')} acknowledged,"
        f" {outcomes.count('fail')} refused, {outcomes.count('info')} without an answer;"
        f" {len(found.evidence.steps)} payments and cancellations, {len(found.evidence.seen)} reads"
        " with a token"
    )
    times = [seen.visible_ms for seen in found.evidence.seen if seen.visible_ms is not None]
    if len(times) > 1:
        cuts = quantiles(times, n=100, method="inclusive")
        yield (
            f"acknowledged → visible: {cuts[49]:.0f} ms median, {cuts[94]:.0f} ms p95,"
            f" {cuts[98]:.0f} ms p99, {max(times):.0f} ms at most"
        )
    yield f"rest: {found.rest.unrest or f'reached after {found.rest.after_s:.1f} s'}"
