"""Effects: each event once for each consumer, whatever was repeated, retried or replayed."""

from __future__ import annotations

from collections.abc import Iterator

from chaos.kit.checkers import Anomaly, Checker
from chaos.kit.checkers.inbox import handled, parked
from chaos.kit.evidence import Evidence, Row
from chaos.kit.promises import Cases, amounts
from chaos.shop.workloads.points import PROGRAMS


def _single(evidence: Evidence) -> Cases:
    """Points are a bare count: what was done twice shows for ever."""
    ended = {_name(row): row["ended"] for row in evidence.rows("points")}
    earned = list(_earned(evidence))
    return amounts.conserved(
        dict.fromkeys(ended, 0),
        [{name: 1} for name in earned],
        dict.fromkeys(earned, 0) | ended,
        what="points of",
        made="double effect",
        lost="missing effect",
    )


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


SINGLE_EFFECT = Checker(
    "single_effect",
    "Each event takes effect exactly once for each consumer, wholly.",
    _single,
).also(_half)
