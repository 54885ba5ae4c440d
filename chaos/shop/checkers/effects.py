"""Effects: each event once for each consumer, whatever was repeated, retried or replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from chaos.kit.checkers import Anomaly, Checker
from chaos.kit.checkers.inbox import handled, parked
from chaos.kit.evidence import Evidence
from chaos.shop.workloads.points import PROGRAMS


def _single(evidence: Evidence) -> Iterator[Anomaly]:
    """Points are a bare count: what was done twice, or by half, shows for ever."""
    counted = {(row["program"], row["user_id"]): row for row in evidence.rows("points")}
    for program in PROGRAMS:
        left = parked(evidence, program) - handled(evidence, program)  # not by a repeat either
        earned = Counter(
            told.event.order.user_id
            for id, told in evidence.first_told.items()
            if told.event.type == "order.paid" and id not in left
        )
        users = earned.keys() | {user_id for known, user_id in counted if known == program}
        for user_id in sorted(users):
            row = counted.get((program, user_id), {"begun": 0, "ended": 0})
            yield from _compared(
                f"{program}, user {user_id}", row["begun"], row["ended"], earned[user_id]
            )


def _compared(who: str, begun: int, ended: int, earned: int) -> Iterator[Anomaly]:
    seen = f"{who}: {earned} events, {begun} begun, {ended} ended"
    if begun != ended:
        yield Anomaly("half effect", seen)
    if ended > earned:
        yield Anomaly("double effect", seen)
    if ended < earned:
        yield Anomaly("missing effect", seen)


SINGLE_EFFECT = Checker(
    "single_effect",
    "Each event takes effect exactly once for each consumer, wholly.",
    _single,
    lambda evidence: evidence.told,
)
