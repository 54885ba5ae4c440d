"""Effects: each event once for each consumer, whatever was repeated, retried or replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from chaos.kit.checkers.checker import Anomaly, Checker
from chaos.kit.evidence import Evidence
from chaos.shop.workloads.points import PROGRAMS
from system.table import TABLE


def _single(evidence: Evidence) -> Iterator[Anomaly]:
    """Points are a bare count: what was done twice, or by half, shows for ever."""
    counted = {(row["program"], row["user_id"]): row for row in evidence.rows("points")}
    for program in PROGRAMS:
        parked = _parked(evidence, program) - _handled(evidence, program)  # not by a repeat either
        earned = Counter(
            told.event.order.user_id
            for id, told in evidence.first_told.items()
            if told.event.type == "order.paid" and id not in parked
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


def _parked(evidence: Evidence, consumer: str) -> set[object]:
    """Ids of the events that this consumer has parked and nobody has replayed."""
    places = {
        (letter.topic, letter.partition, letter.offset)
        for letter in evidence.letters
        if letter.consumer == consumer
    }
    return {
        told.event.event_id
        for told in evidence.told
        if (told.record.partition.topic, told.record.partition.number, told.record.offset) in places
    }


def _handled(evidence: Evidence, consumer: str) -> set[object]:
    rows = evidence.rows("processed_events")
    return {UUID(row["event_id"]) for row in rows if row["service_name"] == consumer}


def _remembered(evidence: Evidence) -> Iterator[Anomaly]:
    consumers = {row.event.type: set(row.reacts) for row in TABLE}
    consumers["order.paid"] = set(PROGRAMS)
    known = {
        consumer: _handled(evidence, consumer) | _parked(evidence, consumer)
        for consumer in set().union(*consumers.values())
    }
    for id, told in evidence.first_told.items():
        for consumer in sorted(consumers[told.event.type]):
            if id not in known[consumer]:
                yield Anomaly("forgotten id", f"{told.event.type} {told.event.key} by {consumer}")


SINGLE_EFFECT = Checker(
    "single_effect", "Each event takes effect exactly once for each consumer, wholly.", _single
)
INBOX_COMPLETE = Checker(
    "handled_is_remembered", "What a consumer has handled is in its inbox.", _remembered
)
