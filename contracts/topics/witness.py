"""A pytest plugin: every message in every topic of every stack is judged when the stack ends.

The bytes are read from the log, as any other system would read them, and judged by the committed
files. What a scenario made up and put into the log itself is passed over; all else has to be right,
and a message that is not fails the scenario. Scenarios know nothing of this: `conftest.py` at the
project's root loads it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import pytest

from contracts.kit.judge import Judge, thorough
from contracts.topics import asyncapi
from scenarios.harness import stack as harness
from scenarios.harness.stack import Stack
from system.events import TOPICS
from system.kit.ports.log import Record
from system.table import SHOP

SHOWN_MAX = 10

Tally = Mapping[str, Any]  # plain values: it goes from process to process


class Witness:
    """Judges each stack, and remembers what it saw."""

    def __init__(self) -> None:
        self.stacks = 0
        self.put_in = 0

    @cached_property
    def judge(self) -> Judge:
        """Made when the first stack ends: most runs of a few tests have none."""
        return asyncapi.judge(thorough)

    async def look(self, stack: Stack) -> None:
        """Judge all that lies in a stack's log. Raises AssertionError."""
        self.stacks += 1
        wrong = [
            fault
            async for record in stack.log.read(*SHOP.all_topics)
            for fault in self._faults(record)
        ]
        more = [f"… and {len(wrong) - SHOWN_MAX} more"] if len(wrong) > SHOWN_MAX else []
        assert not wrong, "\n".join(
            ["what lies in the topics is not as the contract says:", *wrong[:SHOWN_MAX], *more]
        )

    def _faults(self, record: Record) -> Iterator[str]:
        message, place = record.message, record.partition
        if harness.was_put_in(message):
            self.put_in += 1
            return
        for fault in self.judge.faults(message.topic, message.key, message.value, message.headers):
            yield f"{place.topic}/{place.number}@{record.offset}: {fault}"

    @property
    def tally(self) -> Tally:
        """What was seen, for the one that gathers it."""
        return {"stacks": self.stacks, "put_in": self.put_in, "seen": dict(self.judge.seen)}

    def gather(self, tally: Tally) -> None:
        """Count what another one saw."""
        self.stacks += tally["stacks"]
        self.put_in += tally["put_in"]
        self.judge.seen += Counter(tally["seen"])

    def never_seen(self) -> list[str]:
        """The types of events of which no stack had one."""
        return [
            topic
            for topic in TOPICS
            if not any(self.judge.seen[kind.name] for kind in self.judge.kinds.get(topic, ()))
        ]

    def summary(self) -> str:
        """What was judged, in a line."""
        of_topic = {
            topic: sum(self.judge.seen[kind.name] for kind in kinds)
            for topic, kinds in self.judge.kinds.items()
        }
        events = sum(of_topic.get(topic, 0) for topic in TOPICS)
        others = sum(of_topic.values()) - events
        unseen = self.never_seen()
        return (
            f"{events:,} events of {len(TOPICS) - len(unseen)} types and {others:,} messages of dead "
            f"letters judged in {self.stacks} stacks; {self.put_in} that scenarios put in passed over"
            + (f"; never seen: {', '.join(unseen)}" if unseen else "")
        )


_WITNESS = pytest.StashKey[Witness]()
_TALLY = "messages judged"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("event-driven-kit").addoption(
        "--every-event",
        action="store_true",
        help="fail unless every type of event was seen in some stack, and judged",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    witness = session.config.stash[_WITNESS] = Witness()
    harness.witnesses.append(witness.look)


def pytest_sessionfinish(session: pytest.Session) -> None:
    harness.witnesses.clear()
    witness = session.config.stash[_WITNESS]
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output[_TALLY] = witness.tally
    elif session.config.getoption("--every-event") and witness.never_seen():
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist: each of its workers sees a part
def pytest_testnodedown(node: Any, error: object) -> None:  # untyped there, too
    if error is None:
        node.config.stash[_WITNESS].gather(node.workeroutput[_TALLY])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    witness = terminalreporter.config.stash.get(_WITNESS, None)
    if witness is None:
        return
    failed = terminalreporter.config.getoption("--every-event") and witness.never_seen()
    if witness.stacks or failed:
        terminalreporter.section("messages")
        terminalreporter.line(witness.summary(), red=bool(failed))
