"""Commands: what was acknowledged is there, what was refused is not, and nothing is done twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from typing import Any

from chaos.kit.checkers import Anomaly, Checker
from chaos.kit.checkers import commands as kit
from chaos.kit.evidence import Evidence
from chaos.kit.history import Op
from chaos.kit.promises import Cases, Promise, catalog, commands
from chaos.kit.promises.commands import Acknowledged, Asked, Requests
from chaos.shop.checkers.views import _time
from chaos.shop.evidence import placed_in
from system.kit.http.headers import ETAG

Mark = tuple[Any, ...]
"""A user, and what they order: product, quantity and price of each line."""


def _kept(evidence: Evidence) -> Cases:
    return commands.acknowledged_is_kept(_answered(evidence))


def _answered(evidence: Evidence) -> Iterator[Acknowledged]:
    told = _told_states(evidence)
    gone = {
        (event.type.partition(".")[0] + "s", _id_of_deleted(event))
        for event in evidence.events("user.deleted", "product.deleted", "order.deleted")
    }
    paid = {event.order_id for event in evidence.events("order.paid")}
    for op in kit.writes(evidence):
        if not op.ok or op.path.startswith("/admin"):
            continue
        _, view, *rest = op.path.split("/")
        if op.method == "DELETE":
            is_told = (view, int(rest[0])) in gone
        else:
            shown = op.json
            is_told = (view, shown["id"], shown["updated_at"]) in told
        if op.path.endswith("/pay"):
            is_told = is_told and int(rest[0]) in paid
        yield Acknowledged(str(op), view, "" if is_told else "no event tells of it")


def _paid_once(evidence: Evidence) -> Iterator[Anomaly]:
    """An order is paid by one command: the second is refused."""
    paid = Counter(event.order_id for event in evidence.events("order.paid"))
    for id, times in paid.items():
        if times > 1:
            yield Anomaly("done twice", f"order {id} was paid {times} times")


def _told_states(evidence: Evidence) -> set[tuple[str, int, str]]:
    """Every state that was told of, by its time."""
    states = set()
    for told in evidence.first_told.values():
        for name in ("user", "product", "order"):
            about = getattr(told.event, name, None)
            if about is not None and hasattr(about, "updated_at"):
                states.add((f"{name}s", about.id, _time(about.updated_at)))
    return states


def _id_of_deleted(event: Any) -> int:
    names = {"user.deleted": "user_id", "product.deleted": "product_id"}
    return int(getattr(event, names.get(event.type, "order_id")))


def _as_demanded(evidence: Evidence) -> Iterator[Anomaly]:
    """By the versions in the tags: what was answered follows from what was demanded, by this alone."""
    changed: defaultdict[tuple[str, str], list[Op]] = defaultdict(list)
    for op in evidence.history:
        if op.ok and op.if_match is not None and op.path.startswith("/products/"):
            changed[op.path, op.if_match].append(op)
    for (_, demanded), ops in changed.items():
        steps = [_steps(demanded, op.headers[ETAG]) for op in ops]
        if any(step not in _steps_of(op) for op, step in zip(ops, steps, strict=True)):
            yield Anomaly("changed unseen", f"{ops[0]}: {demanded}, then {ops[0].headers[ETAG]}")
        if sum(any(step) for step in steps) > 1:
            yield Anomaly("changed unseen", f"{demanded} by {', '.join(map(str, ops))}")


def _steps(before: str, after: str) -> tuple[int, ...]:
    """By how many versions each part of a resource went on: `"4-9"` to `"5-9"` is (1, 0)."""
    pairs = zip(*(map(int, tag.strip('"').split("-")) for tag in (before, after)), strict=True)
    return tuple(new - old for old, new in pairs)


def _steps_of(op: Op) -> Collection[tuple[int, ...]]:
    """What setting this can do to a product and its stock."""
    return {(0, 0), (1, 1)} if "stock" in op.body else {(0, 0), (1, 0)}


def _requests(evidence: Evidence) -> Requests[Mark]:
    """Each order's prices are its own, so orders and the requests for them can be told apart."""
    placed: dict[Mark, list[str]] = defaultdict(list)
    for event in placed_in(evidence).values():
        items = ((item.product_id, item.quantity, item.unit_price) for item in event.order.items)
        placed[event.order.user_id, *items].append(f"order {event.order_id}")
    asked: dict[Mark, list[Asked]] = defaultdict(list)
    for op in evidence.history:
        if op.method == "POST" and op.path == "/orders":
            thing = f"order {op.json['id']}" if op.ok else ""
            asked[_mark(op.body)].append(Asked(str(op), op.outcome, thing, op.key))
    return Requests(asked, placed)


def _mark(body: Any) -> Mark:
    items = ((item["product_id"], item["quantity"], item["unit_price"]) for item in body["items"])
    return body["user_id"], *items


KEPT = Checker(catalog.ACKNOWLEDGED_HAS_ITS_EVENT, _kept)
REFUSED = Checker(
    catalog.REFUSED_HAS_NO_EFFECT, lambda evidence: _requests(evidence).refused_has_no_effect()
)
ONCE = Checker(
    catalog.COMMANDS_TAKE_EFFECT_ONCE, lambda evidence: _requests(evidence).take_effect_once()
).also(_paid_once)
KEYS = Checker(catalog.KEYS_COUNT_ONCE, lambda evidence: _requests(evidence).keys_count_once())
DEMANDS = Checker(
    Promise(
        "changes_follow_what_was_seen",
        "A change that demands a state with If-Match was made to that state, and by one client.",
    ),
    _as_demanded,
    lambda evidence: [op for op in evidence.history if op.if_match is not None],
)
