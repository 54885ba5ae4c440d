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
from system.kit.delivery import outbox
from system.kit.delivery.dead_letters import DeadLetter, unresolved, without_replay
from system.kit.errors import Poison
from system.kit.events import REPLAY_FOR, Envelope, dlq
from system.kit.ports.log import Message, Record
from system.kit.ports.views import Document
from system.kit.table import System
from system.kit.values import loads

Row = Mapping[str, Any]  # a row of a table: values of several types


def place_of(record: Record) -> str:
    return f"{record.partition.topic}-{record.partition.number}@{record.offset}"


@dataclass(frozen=True, slots=True)
class Told:
    """An event as it stands in the log."""

    record: Record
    envelope: Envelope[Any]

    @property
    def event(self) -> Any:  # one of the models of events
        return self.envelope.event

    # what promises ask of an event, whatever its source

    @property
    def about(self) -> str:
        return str(self.event.key)

    @property
    def topic(self) -> str:
        return self.record.partition.topic

    @property
    def partition(self) -> int:
        return self.record.partition.number


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

    system: System
    """What ran, as its table says; the right one, whatever a mutant has made of it."""
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
    _keyed: dict[tuple[str, str], Mapping[Any, Any]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def rows(self, table: str) -> Sequence[Row]:
        """All rows of a table of the write model. Raises LookupError for one that there is not."""
        if self.tables and table not in self.tables:
            raise LookupError(f"there is no table {table!r}; there are {', '.join(self.tables)}")
        return self.tables.get(table, ())

    def row_by(self, column: str, table: str) -> Mapping[Any, Row]:  # by values of that column
        """The rows of a table by a column that names each: `row_by("id", "accounts")`."""
        if (table, column) not in self._keyed:
            self._keyed[table, column] = {row[column]: row for row in self.rows(table)}
        return self._keyed[table, column]

    @cached_property
    def stored(self) -> Mapping[str, Row]:
        """The rows of the outbox by their events' ids, in the order of their own."""
        rows = sorted(self.rows("outbox"), key=lambda row: int(row["id"]))
        return {str(loads(row["payload"])["event_id"]): row for row in rows}

    def was_put_in(self, message: Message) -> bool:
        """Whether the run made this message up. A dead letter of it that is replayed still is it."""
        return without_replay(message) in self.put_in

    @cached_property
    def told(self) -> Sequence[Told]:
        """Every readable event in the log, repeats included."""
        return list(self._read())

    def _read(self) -> Iterator[Told]:
        events = self.system.events
        for topic in events:
            for record in self.log.get(topic, ()):
                try:
                    yield Told(record, outbox.decode(record.message, events))
                except Poison:
                    continue

    @cached_property
    def unreadable(self) -> Sequence[Record]:
        readable = {id(told.record) for told in self.told}
        return [
            record
            for topic in self.system.topics
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
        by_type = self._by_type.items()
        return [event for type, events in by_type if type in types for event in events]

    def events_with(self, field: str) -> list[Any]:  # the models that have it
        """Distinct events that have this field, of whatever type, in the log's order."""
        by_type = self._by_type.values()
        return [event for events in by_type if hasattr(events[0], field) for event in events]

    @cached_property
    def _by_type(self) -> Mapping[str, Sequence[Any]]:
        """Distinct events; those of one type have one model, and one topic."""
        found: dict[str, list[Any]] = {}
        for told in self.first_told.values():
            found.setdefault(told.event.type, []).append(told.event)
        return found

    @cached_property
    def dead_letters(self) -> Sequence[DeadLetter]:
        """The open dead letters."""
        return [
            letter
            for topic in self.system.topics
            for letter in unresolved(self.log.get(dlq(topic), ()))
        ]

    def first_by_key(self, type: str) -> Mapping[Any, Any]:  # models by the values of their keys
        """Of each thing, its first event of this type."""
        if ("", type) not in self._keyed:
            first: dict[int, Any] = {}
            for event in self.events(type):
                first.setdefault(event.key, event)
            self._keyed["", type] = first
        return self._keyed["", type]


def is_replay(record: Record) -> bool:
    return record.message.header(REPLAY_FOR) is not None
