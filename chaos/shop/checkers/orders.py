"""Orders: they and their reservations end together, by allowed steps, with no money kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from chaos.kit.checkers import Anomaly, Checker
from chaos.kit.evidence import Evidence, Told
from chaos.kit.promises import Cases, Promise, amounts, catalog, states
from chaos.kit.promises.amounts import Holding
from chaos.shop.evidence import lines_of, orders_of, placed_in, reservations_of


def _ended(evidence: Evidence) -> Cases:
    return amounts.hold_what_is_due(one for one in _holdings(evidence) if not one.due)


def living(evidence: Evidence) -> Cases:
    return amounts.hold_what_is_due(one for one in _holdings(evidence) if one.due)


def _holdings(evidence: Evidence) -> Iterator[Holding[int]]:
    """Whether an order has its stock at all; how much of it, its reservation says."""
    items: dict[int, Counter[int]] = defaultdict(Counter)
    for row in evidence.rows("order_products"):
        items[row["order_id"]][row["product_id"]] += row["quantity"]
    for id in _known(evidence):
        if (reservation := reservations_of(evidence).get(id)) is not None:
            status = _status(evidence, id)
            held = lines_of(reservation) if reservation["state"] == "reserved" else {}
            due = {} if status in ("gone", "CANCELED") else held or items[id]
            yield Holding(f"order {id}", f"{status}, {reservation['state']}", held, due)


def _decided(evidence: Evidence) -> Cases:
    """At the least a rejection: without a reservation nobody has looked for its stock."""
    return states.ends_well(
        (f"order {id}", f"{_status(evidence, id)}, undecided", id in reservations_of(evidence))
        for id in _known(evidence)
    )


def _known(evidence: Evidence) -> list[int]:
    return sorted(placed_in(evidence).keys() | orders_of(evidence).keys())


def _status(evidence: Evidence, id: int) -> str:
    order = orders_of(evidence).get(id)
    return "gone" if order is None else order["status"]


def _noted(evidence: Evidence) -> Iterator[Anomaly]:
    for id, order in sorted(orders_of(evidence).items()):
        reservation = reservations_of(evidence).get(id)
        if reservation is None:
            continue
        note = order["reservation"], order["reservation_version"]
        decided = reservation["state"], reservation["version"]
        # a release is told by each product that is still there
        if note != decided and (decided[0] != "released" or _was_told(evidence, id)):
            yield Anomaly("stale note", f"order {id}: noted {note}, decided {decided}")


def _was_told(evidence: Evidence, order_id: int) -> bool:
    return any(event.order_id == order_id for event in evidence.events("stock.released"))


def _paid(evidence: Evidence) -> Iterator[Anomaly]:
    paid = {event.order_id for event in evidence.events("order.paid")}
    deleted = {event.order_id: event for event in evidence.events("order.deleted")}
    for id in sorted(paid):
        order = orders_of(evidence).get(id)
        if order is None:
            if id in deleted and not deleted[id].refund_due:
                yield Anomaly("money kept", f"order {id} was paid and deleted")
        elif not order["paid"]:
            yield Anomaly("payment forgotten", f"order {id} is {order['status']}")
        elif order["status"] == "CANCELED" and not order["refund_due"]:
            yield Anomaly("money kept", f"order {id} was paid and canceled")
    for id, order in orders_of(evidence).items():
        if order["refund_due"] and (id not in paid or order["status"] != "CANCELED"):
            yield Anomaly("refund for nothing", f"order {id}, which is {order['status']}")
        if order["paid"] and id not in paid:
            yield Anomaly("payment forgotten", f"order {id} is paid, and nothing was told")
    for event in evidence.events("order.canceled", "order.deleted"):
        if event.refund_due and event.order_id not in paid:
            yield Anomaly("refund for nothing", f"order {event.order_id}: {event.type}")


FOLLOWS: Mapping[str, Collection[tuple[str, bool]]] = {
    "order.created": (),
    "order.canceled": {("CREATED", False)},
    "order.paid": {("CREATED", False), ("PROCESSING", False)},
    "order.updated": {("CREATED", False), ("PAID", True)},
}
"""From which states (status, paid) a client may bring about each; the stock cancels in any but an end."""


def _steps(evidence: Evidence) -> Cases:
    lives = {id: told for id, told in _lives(evidence).items() if _is_whole(told)}
    return states.only_allowed_steps(
        ((f"order {id}", told) for id, told in lives.items()), _is_allowed, _named
    )


def _lives(evidence: Evidence) -> Mapping[int, Sequence[Told]]:
    """Of each order: its events, by its versions."""
    lives: dict[int, list[Told]] = defaultdict(list)
    for told in evidence.first_told.values():
        if told.event.type.startswith("order."):
            lives[told.event.order_id].append(told)
    return {
        id: sorted(told, key=lambda told: int(told.event.version))
        for id, told in sorted(lives.items())
    }


def _is_whole(told: Sequence[Told]) -> bool:
    """Of another, no_lost_event says what it lacks."""
    return bool(told[0].event.type == "order.created")


def _is_allowed(first: Told, after: Told) -> bool:
    """Whether the table of transitions has this step."""
    before, event = first.event, after.event
    if not hasattr(before, "order"):
        return False
    if event.type == "order.deleted":
        return True
    if before.order.status == "CANCELED":
        return False
    state = str(before.order.status), before.order.paid
    is_for_stock = event.type == "order.canceled" and after.envelope.cause.causation_id is not None
    return is_for_stock or event.type not in FOLLOWS or state in FOLLOWS[event.type]


def _named(told: Told) -> str:
    event = told.event
    return f"{event.order.status if hasattr(event, 'order') else 'gone'} by {event.type}"


def _reasons(evidence: Evidence) -> Iterator[Anomaly]:
    lives = _lives(evidence)
    for id, order in orders_of(evidence).items():
        reasons = [
            told.event.reason for told in lives.get(id, ()) if told.event.type == "order.canceled"
        ]
        if reasons and order["cancel_reason"] != reasons[0]:
            yield Anomaly(
                "reason overwritten", f"order {id}: {reasons[0]!r}, now {order['cancel_reason']!r}"
            )
    rejected = {event.order_id: event.reason for event in evidence.events("stock.rejected")}
    for told_ones in lives.values():
        for told in told_ones:
            cause = told.envelope.cause.causation_id
            event = told.event
            if (
                event.type == "order.canceled"
                and cause
                and event.reason != rejected.get(event.order_id)
            ):
                yield Anomaly("reason overwritten", f"order {event.order_id}: {event.reason!r}")


ENDED = Checker(catalog.ENDED_THINGS_HOLD_NOTHING, _ended)
DECIDED = Checker(catalog.FINAL_STATES_REACHED, _decided)
NOTED = Checker(
    Promise(
        "notes_agree",
        "What an order knows of its reservation is what the stock decided.",
    ),
    _noted,
    reservations_of,
)
PAYMENTS = Checker(
    Promise(
        "payments_live_or_refunded",
        "Every payment belongs to an order that lives, or is due to be refunded.",
    ),
    _paid,
    lambda evidence: evidence.events("order.paid"),
)
STEPS = Checker(catalog.ONLY_ALLOWED_STEPS, _steps).also(_reasons)
"""The steps of the table of transitions; and an order keeps its first reason."""
