"""Views of the shop: what the write model has, never back in time, and no token in vain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from chaos.kit.checkers import Anomaly, Checker
from chaos.kit.evidence import Evidence
from chaos.kit.history import Op
from chaos.kit.promises import Cases, catalog, states, views
from chaos.kit.promises.states import Seen
from system.kit.http.headers import CONSISTENCY_TOKEN, CORRELATION_ID
from system.kit.http.tokens import terms
from system.kit.values import from_cents
from system.table import VIEWS


def _show_the_truth(evidence: Evidence) -> Cases:
    """What readers get at rest, against the rows, with no projection in between."""
    written = {
        f"{view} {row['id']}": true_fields(evidence, view, row)
        for view in evidence.shown
        for row in evidence.rows(view)
    }
    shown = {
        f"{view} {item['id']}": item for view, items in evidence.shown.items() for item in items
    }
    return views.sides_agree(written, shown)


def true_fields(evidence: Evidence, view: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """What a view has to show of a row; `cents` is its amount."""
    if view == "users":
        return {"name": row["name"], "email": row["email"]}
    if view == "products":
        left = {stock["product_id"]: stock["on_hand"] for stock in evidence.rows("stock")}
        return {"name": row["name"], "cents": row["price"], "stock": left.get(row["id"])}
    names = {user["id"]: user["name"] for user in evidence.rows("users")}
    return {
        "status": row["status"],
        "paid": bool(row["paid"]),
        "refund_due": bool(row["refund_due"]),
        "cancel_reason": row["cancel_reason"],
        "payment_method": row["payment_method"],
        "user_id": row["user_id"],
        "user_name": names.get(row["user_id"]),
        "reservation": row["reservation"],
        "cents": row["total_amount"],
        "items": list(_true_items(evidence, row["id"])),
    }


def _true_items(evidence: Evidence, order_id: int) -> Iterator[dict[str, Any]]:
    names = {product["id"]: product["name"] for product in evidence.rows("products")}
    lines = (row for row in evidence.rows("order_products") if row["order_id"] == order_id)
    for line in sorted(lines, key=lambda row: row["line"]):
        yield {
            "product_id": line["product_id"],
            "quantity": line["quantity"],
            "unit_price": from_cents(line["unit_price"]),
            "product_name": names.get(line["product_id"]),
        }


# --- readers --------------------------------------------------------------------------------------

_RANK = {"pending": 0, "reserved": 1, "released": 2, "rejected": 2}
State: TypeAlias = tuple[int, int]


def _never_back(evidence: Evidence) -> Cases:
    return states.readers_never_go_back(_seen(evidence), _leads)


def _leads(before: State, now: State) -> bool:
    return now[0] >= before[0] and now[1] >= before[1]


def _seen(evidence: Evidence) -> Iterator[Seen[State]]:
    """By what each resource shows of its version, and of what became of its reservation."""
    versions = _versions(evidence)  # once, not once for each reader: there may be thousands
    for client, ops in sorted(_reads_by_client(evidence).items()):
        known: set[tuple[str, int]] = set()
        for op in sorted(ops, key=lambda op: op.began_s):
            view, id, items = _items(op)
            if items is None:
                continue
            there = {item["id"]: item for item in items}
            for number, item in there.items():
                known.add((view, number))
                version = versions.get((view, number, item["updated_at"]), 0)
                rank = _RANK.get(item.get("reservation", ""), 0)
                yield Seen(client, f"{view} {number}", (version, rank))
            for known_view, number in known:
                if known_view == view and id in (None, number) and number not in there:
                    may_be_gone = _may_be_gone(evidence, view, number, op)
                    yield Seen(client, f"{view} {number}", None, may_be_gone)


def _answered_again(evidence: Evidence) -> Iterator[Anomaly]:
    """Without faults, a reader that was once answered is so for ever."""
    for ops in () if evidence.disturbances else _reads_by_client(evidence).values():
        answered = False
        for op in ops:
            if answered and op.status == 503:
                yield Anomaly("turned away", str(op))
            answered = answered or op.ok


def _reads_by_client(evidence: Evidence) -> Mapping[str, Sequence[Op]]:
    reads: dict[str, list[Op]] = defaultdict(list)
    for op in evidence.history:
        if op.role == "query-api" and op.method == "GET":
            reads[op.client].append(op)
    return reads


def _items(op: Op) -> tuple[str, int | None, list[Any] | None]:
    """The view, the id asked for if any, and the resources that were shown."""
    _, view, *rest = op.path.split("?")[0].split("/")
    id = int(rest[0]) if rest else None
    if op.ok:
        return view, id, [op.json] if id is not None else op.json[view]
    return view, id, [] if op.status == 404 else None


def _versions(evidence: Evidence) -> dict[tuple[str, int, str], int]:
    """Which version of what had this time of its last change. The clock may have jumped."""
    found: dict[tuple[str, int, str], int] = {}
    for told in evidence.first_told.values():
        event = told.event
        about = getattr(event, "order", None) or getattr(event, "product", None)
        about = about or getattr(event, "user", None)
        if about is None or event.type == "order.deleted":
            continue
        place = event.type.partition(".")[0] + "s", about.id, _time(about.updated_at)
        found[place] = max(found.get(place, 0), event.version)
    return found


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _may_be_gone(evidence: Evidence, view: str, id: int, read: Op) -> bool:
    """Whether somebody may have deleted it by the time of this read."""
    return any(
        op.method == "DELETE" and op.path == f"/{view}/{id}" and op.began_s <= read.ended_s
        for op in evidence.history
    )


_PARTS = {view.name: view.parts for view in VIEWS}
_VERSION_OF = {"pending": None, "reserved": 1, "rejected": 1, "released": 2}
"""Of a reservation, by what became of it."""


def _tokens_given(evidence: Evidence) -> Iterator[Anomaly]:
    """A write's token names what that write has left, in every part."""
    told = {
        str(told.envelope.cause.correlation_id): told.event
        for told in evidence.first_told.values()
        if told.envelope.cause.causation_id is None and hasattr(told.event, "version")
    }
    for op in evidence.history:
        given = op.headers.get(CONSISTENCY_TOKEN)
        if not op.ok or op.method == "DELETE" or given is None:
            continue
        versions = {term.part: term.version for term in terms(given, _PARTS)}
        # none from a write that changed nothing, or whose answer is repeated: it names what was there
        event = told.get(op.headers.get(CORRELATION_ID, ""))
        left = {} if event is None else {"self": event.version}
        match op.path.split("/")[1]:
            case "products" if event is not None:
                left["stock"] = event.stock_version
            case "orders":
                left["reservation"] = _VERSION_OF[op.json["reservation"]]
        for part, version in left.items():
            if versions.get(part) != version:
                yield Anomaly(
                    "token of another write", f"{op}: {given}, but {part} is at {version}"
                )


def _tokens_honoured(evidence: Evidence) -> Cases:
    return states.own_writes_are_seen(_looks(evidence))


def _looks(evidence: Evidence) -> Iterator[tuple[str, str, bool]]:
    versions = _versions(evidence)
    for op in evidence.history:
        if op.token is None or op.role != "query-api":
            continue
        view, id, items = _items(op)
        if items is None:
            continue
        shown = {item["id"]: item for item in items}
        for term in terms(op.token, _PARTS):
            is_asked_for = term.view == view and id in (None, term.key)
            if not is_asked_for or term.part not in ("self", "reservation"):
                continue
            item = shown.get(term.key)
            if item is None:
                is_seen = _may_be_gone(evidence, view, term.key, op)
            elif term.part == "self":
                is_seen = versions.get((view, term.key, item["updated_at"]), 0) >= term.version
            else:
                is_seen = (_VERSION_OF[item["reservation"]] or 0) >= term.version
            place = f"{view}/{term.key}"
            yield f"{op}: asked for {place}.{term.part}@{term.version}", place, is_seen


SHOW_THE_TRUTH = Checker(catalog.VIEWS_SHOW_THE_TRUTH, _show_the_truth, at_rest=True)
NEVER_BACK = Checker(catalog.READERS_NEVER_GO_BACK, _never_back).also(_answered_again)
TOKENS = Checker(catalog.CONSISTENCY_TOKEN_HONOURED, _tokens_honoured).also(_tokens_given)
