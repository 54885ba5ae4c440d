"""The contract: whatever lies in a topic is what others were told that it would be."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from chaos.kit.checkers import Anomaly, Checker
from chaos.kit.evidence import Evidence
from chaos.kit.promises import Promise
from contracts.kit.judge import fast
from contracts.topics import asyncapi
from system.kit.ports.log import Message

_JUDGE = asyncapi.judge(fast)
"""Compiled when this is loaded, before any branch is forked off that would have to do it again."""
KEPT_MAX = 10_000


def _unlike(evidence: Evidence) -> Iterator[Anomaly]:
    for records in evidence.log.values():
        for record in records:
            if evidence.was_put_in(record.message):
                continue
            for fault in _faults(record.message):
                place = record.partition
                yield Anomaly(
                    "broken contract", f"{place.topic}/{place.number}@{record.offset}: {fault}"
                )


@lru_cache(maxsize=KEPT_MAX)
def _faults(message: Message) -> tuple[str, ...]:
    """Runs of one seed have most of their messages in common: each is judged once."""
    return tuple(_JUDGE.faults(message.topic, message.key, message.value, message.headers))


KEPT = Checker(
    Promise(
        "messages_as_promised",
        "Whatever lies in a topic is what its contract says: its key, its headers, its payload.",
    ),
    _unlike,
    lambda evidence: [record for records in evidence.log.values() for record in records],
)
