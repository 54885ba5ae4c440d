"""Effects: each event once for each consumer, whatever was repeated, retried or replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from chaos.kit.checkers import Anomaly, Checker
from chaos.kit.checkers.inbox import handled, parked
from chaos.kit.evidence import Evidence, Row
from chaos.kit.promises import catalog
from chaos.kit.promises.effects import Effect, never_missing, never_twice
from chaos.shop.workloads.points import PROGRAMS


def _points(evidence: Evidence) -> Iterator[Effect]:
    """Points are a bare count: what was done twice shows for ever."""
    ended = {_name(row): row["ended"] for row in evidence.rows("points")}
    earned = Counter(_earned(evidence))
    for name in ended.keys() | earned.keys():
        yield Effect(f"points of {name}", earned[name], ended.get(name, 0))


def _earned(evidence: Evidence) -> Iterator[str]:
    """Whose point each event is, once for each handler."""
    for program in PROGRAMS:
        left = parked(evidence, program) - handled(evidence, program)  # not by a repeat either
        for id, told in evidence.first_told.items():
            if told.event.type == "order.paid" and id not in left:
                yield f"{program}, user {told.event.order.user_id}"


def _half(evidence: Evidence) -> Iterator[Anomaly]:
    for row in evidence.rows("points"):
        if row["begun"] != row["ended"]:
            seen = f"{_name(row)}: {row['begun']} begun, {row['ended']} ended"
            yield Anomaly("half effect", seen)


def _name(row: Row) -> str:
    return f"{row['program']}, user {row['user_id']}"


ONE_EFFECT = Checker(catalog.ONE_EFFECT_PER_CAUSE, lambda evidence: never_twice(_points(evidence)))
HAVE_THEIR_EFFECT = Checker(
    catalog.EVENTS_HAVE_THEIR_EFFECT, lambda evidence: never_missing(_points(evidence))
).also(_half)
