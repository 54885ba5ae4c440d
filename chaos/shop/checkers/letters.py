"""Dead letters: the poison, all of it and nothing else, as it was."""

from __future__ import annotations

from collections.abc import Iterator

from chaos.kit.checkers.checker import Anomaly, Checker
from chaos.kit.evidence import Evidence
from chaos.shop.workloads.points import MINDED_METHOD, PROGRAMS
from system.events import BY_TYPE, TOPICS
from system.kit.delivery import outbox
from system.kit.delivery.dead_letters import DeadLetter, dead_letter_id, unresolved
from system.kit.events import dlq
from system.roles import QUERY_CONSUMER
from system.table import TABLE

POISON = "Poison"
RETRIES = 3
"""As many as the simulation's settings have delays."""


def _exactly_poison(evidence: Evidence) -> Iterator[Anomaly]:
    parked = {letter.id: letter for letter in _ever_parked(evidence)}
    wanted = set()
    for record in evidence.unreadable:
        place = record.partition
        for consumer in _readers(place.topic):
            id = dead_letter_id(place.topic, place.number, record.offset, consumer)
            wanted.add(id)
            if id not in parked:
                yield Anomaly("poison swallowed", id)
                continue
            letter, message = parked[id], record.message
            if (letter.message.key, letter.message.value) != (message.key, message.value) or (
                letter.message.headers != message.headers
            ):
                yield Anomaly("letter altered", id)
    for id, letter in sorted(parked.items()):
        if id not in wanted and id not in evidence.forced and not _has_the_bug(letter):
            yield Anomaly("healthy letter", f"{id}: {letter.error_type}, {letter.error}")


def _attempts(evidence: Evidence) -> Iterator[Anomaly]:
    for letter in _ever_parked(evidence):
        if letter.error_type == POISON and letter.attempts != 1:
            yield Anomaly("poison retried", f"{letter.id}: {letter.attempts} attempts")
        if letter.error_type != POISON and letter.attempts <= RETRIES:
            yield Anomaly("gave up early", f"{letter.id}: {letter.attempts} attempts")


def _has_the_bug(letter: DeadLetter) -> bool:
    """Whether its handler fails until it is mended; the last attempt may have failed of else."""
    if letter.topic != "order.paid" or letter.consumer not in PROGRAMS:
        return False
    order = outbox.decode(letter.message, BY_TYPE).event.order
    return bool(order.payment_method == MINDED_METHOD)


def _ever_parked(evidence: Evidence) -> list[DeadLetter]:
    """Every letter, also those that were replayed."""
    letters = []
    for topic in TOPICS:
        records = evidence.log.get(dlq(topic), ())
        letters += unresolved(
            record for record in records if not record.message.header("dead-letter-resolution")
        )
    return letters


def _readers(topic: str) -> list[str]:
    reacting = next(set(row.reacts) for row in TABLE if row.event.type == topic)
    if topic == "order.paid":
        reacting |= set(PROGRAMS)
    return [*sorted(reacting), QUERY_CONSUMER]


EXACTLY_POISON = Checker(
    "dead_letters_exactly_poison",
    "Dead letters are exactly the messages that cannot be handled, byte for byte.",
    _exactly_poison,
)
ATTEMPTS = Checker(
    "retries_as_scheduled",
    "What no retry can help is parked at once, all else only after every retry.",
    _attempts,
)
