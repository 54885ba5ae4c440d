"""Dead letters: the poison, all of it and nothing else, as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chaos.kit.checkers.checker import Anomaly, Checker
from chaos.kit.evidence import Evidence
from chaos.kit.systems import projector
from system.kit.delivery.dead_letters import DeadLetter, dead_letter_id, unresolved
from system.kit.events import dlq
from system.kit.table import System

POISON = "Poison"
RETRIES = 3
"""As many as the simulation's settings have delays."""


def exactly_poison(has_a_bug: Callable[[DeadLetter], bool] = lambda _: False) -> Checker:
    """Perhaps with a handler that a workload makes fail: its letters are no healthy ones."""

    def check(evidence: Evidence) -> Iterator[Anomaly]:
        parked = {letter.id: letter for letter in _ever_parked(evidence)}
        poison = set()
        for record in evidence.unreadable:
            place = record.partition
            for consumer in _readers(evidence.system, place.topic):
                id = dead_letter_id(place.topic, place.number, record.offset, consumer)
                poison.add(id)
                if id not in parked:
                    yield Anomaly("poison swallowed", id)
                    continue
                kept, message = parked[id].message, record.message
                if (kept.key, kept.value, kept.headers) != (
                    message.key,
                    message.value,
                    message.headers,
                ):
                    yield Anomaly("letter altered", id)
        for id, letter in sorted(parked.items()):
            if id not in poison and id not in evidence.forced and not has_a_bug(letter):
                yield Anomaly("healthy letter", f"{id}: {letter.error_type}, {letter.error}")

    return Checker(
        "dead_letters_exactly_poison",
        "Dead letters are exactly the messages that cannot be handled, byte for byte.",
        check,
        lambda evidence: [*evidence.unreadable, *_ever_parked(evidence)],
    )


def _attempts(evidence: Evidence) -> Iterator[Anomaly]:
    for letter in _ever_parked(evidence):
        if letter.error_type == POISON and letter.attempts != 1:
            yield Anomaly("poison retried", f"{letter.id}: {letter.attempts} attempts")
        if letter.error_type != POISON and letter.attempts <= RETRIES:
            yield Anomaly("gave up early", f"{letter.id}: {letter.attempts} attempts")


def _ever_parked(evidence: Evidence) -> list[DeadLetter]:
    """Every letter, also those that were replayed."""
    letters: list[DeadLetter] = []
    for topic in evidence.system.topics:
        records = evidence.log.get(dlq(topic), ())
        letters += unresolved(
            record for record in records if not record.message.header("dead-letter-resolution")
        )
    return letters


def _readers(system: System, topic: str) -> list[str]:
    """Who reads a topic, and so parks what it cannot read."""
    reacting = next(row.reacts for row in system.rows if row.event.type == topic)
    return [*sorted(reacting), projector(system)]


EXACTLY_POISON = exactly_poison()
ATTEMPTS = Checker(
    "retries_as_scheduled",
    "What no retry can help is parked at once, all else only after every retry.",
    _attempts,
    _ever_parked,
)
