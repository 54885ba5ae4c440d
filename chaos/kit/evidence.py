"""What is left of a run for the checkers: the clients' history and every store's state.

A checker sees this and nothing else, so it can be tested on evidence written by hand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID

from chaos.kit.history import Op
from system.events import BY_TYPE, TOPICS
from system.kit.delivery import outbox
from system.kit.delivery.dead_letters import REPLAY_FOR, DeadLetter, unresolved, without_replay
from system.kit.errors import Poison
from system.kit.events import Envelope, dlq
from system.kit.ports.log import Message, Record
from system.kit.ports.views import Document

Row = Mapping[str, Any]  # a row of a table: values of several types


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it stands in the log."""

    record: Record
    envelope: Envelope[Any]

    @property
    def event(self) -> Any:  # one of the models of events
        return self.envelope.event


@dataclass(frozen=True, slots=True)
class Freeze:
    """One time when the views that are read were frozen for those being built."""

    building: int
    records: int
    """In the log by then."""
    built: int
    """Of them, so many were read for the new views."""


@dataclass
class Evidence:
    """All that checkers may know of a run."""

    history: Sequence[Op] = ()
    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    log: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    """Per topic, dead letters too: the records in the order of partition and offset."""
    views: Mapping[str, Mapping[int, Document]] = field(default_factory=dict)
    shown: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Per list of the query API, what it answers at rest; prices and totals as `cents`."""
    missing: Sequence[str] = ()
    """What kept the run from coming to rest. Empty: it did."""
    failures: Sequence[str] = ()
    """Processes that ended by themselves, or did not end when asked to."""
    disturbances: int = 0
    """Faults and restarts: each may cause some duplicates, no more."""
    duplicated: int = 0
    """Records that the run itself put in twice."""
    stalled: frozenset[str] = frozenset()
    """Partitions that took nothing for a while, if that was all that disturbed the run."""
    freezes: Sequence[Freeze] = ()
    """In their order."""
    put_in: Collection[Message] = frozenset()
    """What the run itself made up and put into the log, as a broken producer of elsewhere does."""
    forced: Collection[str] = frozenset()
    """The ids of dead letters that the run itself caused: it made a healthy event's handler fail."""
    emitted_under: Sequence[tuple[str, str]] = ()
    """Of each event that was emitted under a correlation id: that one, and the event's own."""

    def rows(self, table: str) -> Sequence[Row]:
        """All rows of a table of the write model. Raises LookupError for one that there is not."""
        if self.tables and table not in self.tables:
            raise LookupError(f"there is no table {table!r}; there are {', '.join(self.tables)}")
        return self.tables.get(table, ())

    def was_put_in(self, message: Message) -> bool:
        """Whether the run made this message up. A dead letter of it that is replayed still is it."""
        return without_replay(message) in self.put_in

    @cached_property
    def told(self) -> Sequence[Told]:
        """Every readable event in the log, repeats included."""
        return list(self._read())

    def _read(self) -> Iterator[Told]:
        for topic in TOPICS:
            for record in self.log.get(topic, ()):
                try:
                    yield Told(record, outbox.decode(record.message, BY_TYPE))
                except Poison:
                    continue

    @cached_property
    def unreadable(self) -> Sequence[Record]:
        readable = {id(told.record) for told in self.told}
        return [
            record
            for topic in TOPICS
            for record in self.log.get(topic, ())
            if id(record) not in readable
        ]

    @cached_property
    def first_told(self) -> dict[UUID, Told]:
        """Each event once, where it stands first."""
        first: dict[UUID, Told] = {}
        for told in self.told:
            first.setdefault(told.event.event_id, told)
        return first

    def events(self, *types: str) -> list[Any]:  # the models of these types
        """Distinct events of these types, in the log's order."""
        return [told.event for told in self.first_told.values() if told.event.type in types]

    def events_with(self, field: str) -> list[Any]:  # the models that have it
        """Distinct events that have this field, of whatever type, in the log's order."""
        return [told.event for told in self.first_told.values() if hasattr(told.event, field)]

    @cached_property
    def letters(self) -> Sequence[DeadLetter]:
        """The open dead letters."""
        return [letter for topic in TOPICS for letter in unresolved(self.log.get(dlq(topic), ()))]

    @cached_property
    def orders(self) -> Mapping[int, Row]:
        return {row["id"]: row for row in self.rows("orders")}

    @cached_property
    def reservations(self) -> Mapping[int, Row]:
        return {row["order_id"]: row for row in self.rows("reservations")}

    @cached_property
    def placed(self) -> Mapping[int, Any]:
        """Each order's order.created."""
        return {event.order_id: event for event in self.events("order.created")}


def is_replay(record: Record) -> bool:
    return record.message.header(REPLAY_FOR) is not None
