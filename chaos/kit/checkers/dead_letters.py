"""Dead letters: the poison, all of it and nothing else, as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from chaos.kit.checkers.checker import Checker
from chaos.kit.evidence import Evidence
from chaos.kit.promises import Anomaly, Cases, Promise, catalog, dead_letters
from chaos.kit.systems import projector
from system.kit.delivery.dead_letters import DeadLetter, dead_letter_id, unresolved
from system.kit.events import dlq
from system.kit.ports.log import Message
from system.kit.table import System

POISON = "Poison"
RETRIES = 3
"""As many as the simulation's settings have delays."""


def exactly_poison(has_a_bug: Callable[[DeadLetter], bool] = lambda _: False) -> Checker:
    """Perhaps with a handler that a workload makes fail: its dead letters are no healthy ones."""

    def check(evidence: Evidence) -> Cases:
        poison = _poison(evidence)
        parked = {letter.id: letter for letter in _ever_parked(evidence)}
        buggy = {id for id in parked if id not in poison and has_a_bug(parked[id])}

        def named(id: str) -> str:
            letter = parked.get(id)
            return id if letter is None else f"{id}: {letter.error_type}, {letter.error};"

        return dead_letters.exactly_the_poison(
            poison,
            {id: _content(letter.message) for id, letter in parked.items()},
            {*evidence.forced, *buggy},
            named=named,
        )

    return Checker(catalog.DEAD_LETTERS_ARE_THE_POISON, check)


def _poison(evidence: Evidence) -> Mapping[str, object]:
    """By consumer: what it cannot read, as it lies in its topic."""
    return {
        dead_letter_id(place.topic, place.number, record.offset, consumer): _content(record.message)
        for record in evidence.unreadable
        for place in (record.partition,)
        for consumer in _readers(evidence.system, place.topic)
    }


def _content(message: Message) -> object:
    return message.key, message.value, message.headers


def _attempts(evidence: Evidence) -> Iterator[Anomaly]:
    for letter in _ever_parked(evidence):
        if letter.error_type == POISON and letter.attempts != 1:
            yield Anomaly("poison retried", f"{letter.id}: {letter.attempts} attempts")
        if letter.error_type != POISON and letter.attempts <= RETRIES:
            yield Anomaly("gave up early", f"{letter.id}: {letter.attempts} attempts")


def _ever_parked(evidence: Evidence) -> list[DeadLetter]:
    """Every dead letter, also those that were replayed."""
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
    Promise(
        "retries_as_scheduled",
        "What no retry can help is parked at once, all else only after every retry.",
    ),
    _attempts,
    _ever_parked,
)
