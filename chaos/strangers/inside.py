"""The evidence of a simulated run, said in the neutral language.

So the generic promises have one implementation and two sources of evidence, and both must agree:
what the kit's own checkers find with every table before them, the judge of strangers finds from
requests, records and readings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from chaos.kit import blackbox as kit
from chaos.kit.evidence import Evidence
from chaos.kit.history import Op, Outcome
from chaos.shop.evidence import orders_of
from chaos.strangers.ours import TELL, Ours

_ORDER = re.compile(r"/orders/(\d+)(?:/(pay|cancel))?")
_OUTCOME: Mapping[Outcome, Literal["ok", "fail", "info"]] = {
    Outcome.OK: "ok",
    Outcome.FAIL: "fail",
    Outcome.INFO: "info",
}
_DO: Mapping[tuple[str, str | None], kit.Do] = {
    ("POST", "pay"): "advance",
    ("POST", "cancel"): "cancel",
}


def neutral(evidence: Evidence, opened: Mapping[int, int]) -> kit.Observations:
    """What an adapter would have seen of this run."""
    told, unreadable = _told(evidence)
    stock = {str(row["product_id"]): row["on_hand"] for row in evidence.rows("stock")}
    shown = {str(item["id"]): item["stock"] for item in evidence.shown.get("products", ())}
    return kit.Observations(
        Ours.states,
        Ours.tells,
        [op for op in map(_op, evidence.history) if op is not None],
        told,
        unreadable,
        {str(product): amount for product, amount in opened.items()},
        _read(evidence),
        {str(item["id"]): _viewed(item) for item in evidence.shown.get("orders", ())},
        {product: kit.Shown(amount=amount) for product, amount in stock.items()},
        {product: kit.Shown(amount=amount) for product, amount in shown.items()},
        [kit.Fault("a disturbance", 0.0, 0.0)] * (evidence.disturbances + evidence.duplicated),
        evidence.missing,
        ("the simulation",),
        evidence.failures,
    )


def _op(op: Op) -> kit.Exchange | None:
    command = _command(op)
    if command is None:
        return None
    about, shows = "", None
    if op.ok and op.json:
        about = str(op.json["id"])
        shows = _answered(op.json) if command.do in kit.READS else None
    is_unanswered = op.status is None and command.do in kit.READS
    meant = kit.Meant("info" if is_unanswered else _OUTCOME[op.outcome], about, shows)
    answer = kit.Answer("sent" if op.status is None else "answered", op.status or 0, op.answer)
    return kit.Exchange(op.client, command, meant, None, answer, op.began_s, op.ended_s)


def _command(op: Op) -> kit.Command | None:
    if op.method == "POST" and op.path == "/orders" and isinstance(op.body, dict):
        moves: dict[str, int] = {}
        for item in op.body["items"]:
            id = str(item["product_id"])
            moves[id] = moves.get(id, 0) - item["quantity"]
        mark = int(op.body["items"][0]["unit_price"] * 100)
        return kit.Command("place", mark=mark, moves=moves, key=op.key)
    found = _ORDER.fullmatch(op.path)
    if found is None:
        return None
    if op.method == "GET":
        return kit.Command("view" if op.role == "query-api" else "read", found[1])
    do = _DO.get((op.method, found[2]))
    return None if do is None else kit.Command(do, found[1], key=op.key)


def _told(evidence: Evidence) -> tuple[list[kit.Told], list[tuple[kit.Record, str]]]:
    told: list[kit.Told] = []
    unreadable: list[tuple[kit.Record, str]] = []
    for record in _records(evidence):
        try:
            told += [kit.Told(event, record) for event in Ours().events(record)]
        except kit.Unreadable as error:
            unreadable.append((record, str(error)))
    return told, unreadable


def _records(evidence: Evidence) -> Iterator[kit.Record]:
    for topic in TELL:
        for record in evidence.log.get(topic, ()):
            if not evidence.was_put_in(record.message):
                yield kit.Record(
                    topic,
                    record.partition.number,
                    record.offset,
                    record.message.key,
                    record.message.value,
                )


def _read(evidence: Evidence) -> dict[str, kit.Shown]:
    prices: dict[int, Sequence[int]] = {}
    for row in evidence.rows("order_products"):
        prices[row["order_id"]] = (*prices.get(row["order_id"], ()), row["unit_price"])
    return {
        str(id): kit.Shown(
            f"{row['status']} {row['reservation']}", row["total_amount"], prices[id][0]
        )
        for id, row in orders_of(evidence).items()
    }


def _answered(body: Mapping[str, object]) -> kit.Shown:
    return kit.Shown(f"{body['status']} {body['reservation']}")


def _viewed(item: Mapping[str, object]) -> kit.Shown:
    items, cents = item["items"], item["cents"]
    assert isinstance(items, Sequence)
    assert isinstance(cents, int)
    return kit.Shown(
        f"{item['status']} {item['reservation']}", cents, int(items[0]["unit_price"] * 100)
    )
