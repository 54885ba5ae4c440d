"""For each scenario a mechanism that it is about, and how to run roles without it.

A scenario that goes on to be kept while its mechanism is switched off proves nothing. `python -m chaos
real --without-mechanism` plays each on a system whose processes run by this module: they are the
system's own, with one attribute replaced, or one setting that takes the mechanism's effect away.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any
from unittest.mock import patch

Off = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Mechanism:
    """What a scenario is about, and how to be without it."""

    scenario: str
    what: str
    """What is done instead, in a sentence."""
    off: Off | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def program(self) -> Sequence[str]:
        """What Python runs in the place of the system."""
        return ("-m", "chaos.real.mechanisms", self.scenario)


def bug(name: str) -> Off:
    """A bug of the gallery; one that replaces an attribute, since real processes have no switch."""

    def off() -> AbstractContextManager[Any]:
        from chaos.kit.simulated.mutant import Reached  # noqa: PLC0415
        from chaos.shop.mutants import MUTANTS  # noqa: PLC0415 - the whole simulation: for few processes

        return MUTANTS[name].switched_in(Reached())

    return off


def replaced(module: str, attribute: str, new: Any) -> Off:
    """By name: each process loads no more than what it needs."""
    return lambda: patch(f"{module}.{attribute}", new)


class _Never(Exception):
    """No code raises this: so nothing is an outage."""


async def _impatient(action: Callable[[], Awaitable[None]], *_: object, **__: object) -> None:
    await action()


async def _parks_nothing(*_: object) -> None:
    pass


async def _one_piece(reader: asyncio.StreamReader, size: int) -> bytes:
    return await reader.read(size)


@contextmanager
def _ends_at_once() -> Iterator[None]:
    """On SIGTERM nothing is drained: what is in hand is lost."""
    right = asyncio.SelectorEventLoop.add_signal_handler

    def add(loop: Any, number: int, *args: Any) -> None:
        if number == signal.SIGTERM:
            right(loop, number, os._exit, 0)
        else:
            right(loop, number, *args)

    with patch("asyncio.SelectorEventLoop.add_signal_handler", add):
        yield


@contextmanager
def _each_its_own_group() -> Iterator[None]:
    """As where the group's name has the host's in it: each process reads all, and none gives way."""
    log = resolve_name("system.kit.adapters.kafka.log:KafkaLog")  # loaded by who uses it alone
    right = log.subscribe

    def subscribe(self: Any, group: str, *args: Any) -> Any:
        return right(self, f"{group}-{os.getpid()}", *args)

    with patch.object(log, "subscribe", subscribe):
        yield


@contextmanager
def _the_leader_alone_acknowledges() -> Iterator[None]:
    """What the leader of a partition has is stored, also where no other broker has it."""
    log = resolve_name("system.kit.adapters.kafka.log")
    right = log.AIOKafkaProducer

    def make(**options: Any) -> Any:
        return right(**{**options, "acks": 1, "enable_idempotence": False})

    with patch.object(log, "AIOKafkaProducer", make):
        yield


IMPATIENT_RELAY = replaced("system.kit.delivery.relay", "Unavailable", _Never)
NO_PATIENCE = replaced("system.kit.delivery.middleware.waits_for_stores", "patiently", _impatient)

MECHANISMS: Mapping[str, Mechanism] = {
    one.scenario: one
    for one in (
        Mechanism(
            "retries",
            "Retries come at once, one after the other.",
            settings={"RETRY_DELAYS": "1ms,1ms,1ms,1ms,1ms"},
        ),
        Mechanism(
            "dead-letter",
            "What cannot be handled is passed over, and parked nowhere.",
            replaced("system.kit.delivery.dead_letters.DeadLetters", "_publish", _parks_nothing),
            {"RETRY_DELAYS": "1ms,1ms,1ms,1ms,1ms"},
        ),
        Mechanism("outage-sql", "A lane does not wait for the database: it ends.", NO_PATIENCE),
        Mechanism(
            "outage-kafka",
            "Rows are marked as sent before the broker has acknowledged them.",
            bug("published_before_ack"),
        ),
        Mechanism("outage-views", "A lane does not wait for the views: it ends.", NO_PATIENCE),
        Mechanism(
            "query-api-without-views",
            "A request that meets an outage is answered with 500.",
            bug("outage_answered_with_500"),
        ),
        Mechanism(
            "order-api-without-broker",
            "Rows are marked as sent before the broker has acknowledged them.",
            bug("published_before_ack"),
        ),
        Mechanism(
            "half-open-commit",
            "When the outcome of a COMMIT is unknown, the work is done again.",
            bug("commit_retried_blindly"),
        ),
        Mechanism(
            "lost-commit-answer",
            "When the outcome of a COMMIT is unknown, the work is done again.",
            bug("commit_retried_blindly"),
        ),
        Mechanism(
            "lost-broker-answer",
            "Rows are marked as sent before the broker has acknowledged them.",
            bug("published_before_ack"),
        ),
        Mechanism(
            "latency",
            "A transaction has less time than one answer takes.",
            settings={"SQL_TIMEOUT": "100ms"},
        ),
        Mechanism(
            "bandwidth",
            "An answer of the views has a fifth of a second, and a page is refused after that.",
            replaced("system.kit.adapters.mongo.views", "WAIT_MS", 200),
        ),
        Mechanism(
            "sliced",
            "Drivers take what has come for the whole.",
            replaced("asyncio.StreamReader", "readexactly", _one_piece),
        ),
        Mechanism(
            "resets",
            "A relay does not wait for the database: its process ends.",
            IMPATIENT_RELAY,
        ),
        Mechanism(
            "one-consumer-cut-off",
            "A relay does not wait for the database: its process ends.",
            IMPATIENT_RELAY,
        ),
        Mechanism(
            "rebalance", "Each process is a group of its own, so none shares.", _each_its_own_group
        ),
        Mechanism("stalled-relay", "A relay keeps its lease for ever.", bug("lease_for_ever")),
        Mechanism(
            "rolling-restart",
            "A process ends at once, and drops what it has in hand.",
            _ends_at_once,
        ),
        Mechanism(
            "slow-then-killed",
            "A consumer commits its offset before the effect.",
            bug("offset_before_effect"),
        ),
        Mechanism(
            "three-brokers",
            "One broker is enough to acknowledge an event: the one that leads its partition.",
            _the_leader_alone_acknowledges,
        ),
    )
}


def main() -> int:
    """Run a role without a mechanism: what `Role` starts instead of `python -m system ROLE`."""
    scenario, *arguments = sys.argv[1:]
    off = MECHANISMS[scenario].off
    from system.__main__ import main as run  # noqa: PLC0415 - after the choice, which may fail

    if off is None:
        return run(arguments)
    with off():
        return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
