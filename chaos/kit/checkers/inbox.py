"""The inbox: what a consumer has handled is remembered, so that it is not handled again."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from chaos.kit.checkers.checker import Checker
from chaos.kit.evidence import Evidence
from chaos.kit.promises import Anomaly, Promise


def parked(evidence: Evidence, consumer: str) -> set[UUID]:
    """Ids of the events that this consumer has parked and nobody has replayed."""
    places = {
        (letter.topic, letter.partition, letter.offset)
        for letter in evidence.dead_letters
        if letter.consumer == consumer
    }
    return {
        told.event.event_id
        for told in evidence.told
        if (told.record.partition.topic, told.record.partition.number, told.record.offset) in places
    }


def handled(evidence: Evidence, consumer: str) -> set[UUID]:
    """Ids of the events in this consumer's inbox."""
    rows = evidence.rows("processed_events")
    return {UUID(row["event_id"]) for row in rows if row["service_name"] == consumer}


def _remembered(evidence: Evidence) -> Iterator[Anomaly]:
    consumers = {row.event.type: sorted(row.reacts) for row in evidence.system.rows}
    known = {
        consumer: handled(evidence, consumer) | parked(evidence, consumer)
        for consumer in set().union(*consumers.values())
    }
    for id, told in evidence.first_told.items():
        for consumer in consumers[told.event.type]:
            if id not in known[consumer]:
                yield Anomaly("forgotten id", f"{told.event.type} {told.event.key} by {consumer}")


COMPLETE = Checker(
    Promise(
        "handled_is_remembered",
        "What a consumer has handled is in its inbox.",
    ),
    _remembered,
    lambda evidence: evidence.told,
)
