"""What led to what in a run: from a client's request over the database into topics, and on from there.

A request that is answered has a correlation id, which its events carry; an event names the one that it
follows from. So one thread is drawn from lane to lane:

    ada ── account-api ── sql ── account.paid ── sql ── account.rewarded ── …
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import islice
from typing import Any
from uuid import UUID

from chaos.kit.evidence import Evidence, Told, place_of
from chaos.kit.history import Op
from chaos.kit.page import Asked, Fault, Lane, Line, Mark, Said, Spot
from chaos.kit.promises import Anomaly
from system.kit.http.headers import CORRELATION_ID
from system.kit.ports.log import Record
from system.kit.values import loads

DATABASE = "sql"
THREADS = 14
"""So many threads are drawn in one picture, those of what broke first."""
NEAR_S = 2.0
"""A fault that is so near to a story belongs to it."""
STORY_FIRST, STORY_LAST = 50, 20
STORIES = 2
_THING = re.compile(r"\b([a-z]+)(?:\.[a-z]+)? (\d+)")


@dataclass(frozen=True, slots=True)
class Thing:
    """What events and requests are about: account 7."""

    kind: str
    id: int

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


@dataclass(frozen=True, slots=True)
class _Stored:
    """An event in the outbox."""

    at_s: float
    """Its transaction's time, which is when that began: when it commits stands in no row."""
    outbox_id: int
    type: str
    payload: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.type} (outbox {self.outbox_id})"


class Causes:
    """The threads of a run."""

    def __init__(
        self,
        evidence: Evidence,
        began_at: datetime,
        *,
        client_of: Callable[[Op], str] = lambda op: op.client,
        process_of: Callable[[str], str] = lambda role: role,
    ) -> None:
        """`began_at` is where the clock of the history begins; the others give lanes' names."""
        self._evidence = evidence
        self._began_at = began_at
        self._client_of = client_of
        self._process_of = process_of

    # --- lanes --------------------------------------------------------------------------------

    def clients(self) -> list[Lane]:
        marks: dict[str, list[Mark]] = {}
        for op in in_order(self._evidence.history):
            mark = Mark(op.began_s, str(op), op.outcome.value)
            marks.setdefault(self._client_of(op), []).append(mark)
        return [Lane(name, found) for name, found in marks.items()]

    def asked_of(self) -> dict[str, list[Mark]]:
        """By role: when it was asked, and what came of it."""
        marks: dict[str, list[Mark]] = {}
        for op in self._evidence.history:
            marks.setdefault(op.role, []).append(Mark(op.began_s, str(op), op.outcome.value))
        return marks

    def database(self) -> Lane:
        """When what is told was decided."""
        return Lane(
            DATABASE,
            [Mark(stored.at_s, f"{stored} is decided", "sql") for stored in self._stored.values()],
        )

    def topics(self) -> list[Lane]:
        """Those that have a record within the run; dead letters stand out."""
        lanes = []
        for topic, records in self._evidence.log.items():
            kind = "fault" if topic.endswith(".dlq") else "log"
            marks = [
                Mark(
                    at_s, f"{place_of(record)} {record.message.key.decode(errors='replace')}", kind
                )
                for record in records
                if (at_s := self._at(record)) >= 0
            ]
            if marks:
                lanes.append(Lane(topic, marks))
        return lanes

    # --- lines --------------------------------------------------------------------------------

    def lines(
        self, began_s: float, ended_s: float, suspects: Sequence[Thing] = ()
    ) -> Iterator[Line]:
        """From causes to effects, in this part of the run: those of what broke, and some others."""
        threads = []
        for correlation_id, told in self._threads.items():
            op = self._asked.get(correlation_id)
            first_s = op.began_s if op else self._at(told[0].record)
            last_s = max(self._at(one.record) for one in told)
            if last_s < began_s or first_s > ended_s:
                continue
            is_suspect = any(_is_about(one.event, thing) for one in told for thing in suspects)
            threads.append((not is_suspect, abs(first_s - (began_s + ended_s) / 2), op, told))
        threads.sort(key=lambda thread: thread[:2])
        for is_other, _, op, told in threads[:THREADS]:
            yield from self._thread(op, told, is_suspect=not is_other)

    def _thread(self, op: Op | None, told: Sequence[Told], *, is_suspect: bool) -> Iterator[Line]:
        begun: Spot | None = None
        if op is not None:
            begun = Spot(self._process_of(op.role), (op.began_s + op.ended_s) / 2)
            yield Line(Spot(self._client_of(op), op.began_s), begun, str(op), is_suspect)
        spots = {
            one.event.event_id: Spot(one.record.partition.topic, self._at(one.record))
            for one in told
        }
        for one in told:
            cause = spots.get(one.envelope.cause.causation_id, begun)
            effect, text = spots[one.event.event_id], f"{one.event.type} {one.event.key}"
            if (stored := self._stored.get(str(one.event.event_id))) is not None:
                decided = Spot(DATABASE, stored.at_s)
                if cause is not None:
                    yield Line(cause, decided, f"{text}: decided", is_suspect)
                yield Line(decided, effect, f"{text}: published", is_suspect)
            elif cause is not None:
                yield Line(cause, effect, text, is_suspect)

    # --- stories ------------------------------------------------------------------------------

    def suspects(self, anomalies: Iterable[Anomaly]) -> list[Thing]:
        """What is named in the findings, and known to requests or events."""
        named = (Thing(kind, int(id)) for one in anomalies for kind, id in _THING.findall(one.seen))
        return [thing for thing in dict.fromkeys(named) if thing.kind in self._kinds]

    def stories(
        self, suspects: Sequence[Thing], faults: Sequence[Fault]
    ) -> dict[str, Sequence[Said]]:
        """Of the first suspects that have any."""
        told = ((str(thing), self.story(thing, faults)) for thing in suspects)
        return dict(islice((one for one in told if one[1]), STORIES))

    def story(self, thing: Thing, faults: Sequence[Fault] = ()) -> list[Said]:
        """All that was asked, decided and told of a thing, and the faults meanwhile."""
        said = [
            Said(op.began_s, op.client, f"{op} after {op.ended_s - op.began_s:.3f} s")
            for op in self._evidence.history
            if _asks_about(op, thing)
        ]
        for one in self._evidence.told:
            if _is_about(one.event, thing):
                what = f"{place_of(one.record)}: {_facts(loads(one.record.message.value))}"
                said.append(Said(self._at(one.record), "log", what))
        told = {str(id) for id in self._evidence.first_told}
        for id, stored in self._stored.items():
            if stored.payload.get(f"{thing.kind}_id") == thing.id:
                never = "" if id in told else ", and is never told"
                said.append(Said(stored.at_s, DATABASE, f"{stored} is decided{never}"))
        if said:
            first_s = min(one.at_s for one in said) - NEAR_S
            last_s = max(one.at_s for one in said) + NEAR_S
            said += [
                Said(fault.began_s, "fault", fault.text, is_fault=True)
                for fault in faults
                if fault.began_s is not None and first_s <= fault.began_s <= last_s
            ]
        said.sort(key=lambda one: one.at_s)
        if (left_out := len(said) - STORY_FIRST - STORY_LAST) > 0:
            gap = Said(said[STORY_FIRST].at_s, "…", f"{left_out} steps more")
            said = [*said[:STORY_FIRST], gap, *said[-STORY_LAST:]]
        return said

    def asked(self, suspects: Sequence[Thing], faults: Sequence[Fault]) -> list[Asked]:
        """Every request; those about what broke are near, and those that no fault let through."""
        return [
            Asked(
                op.began_s,
                op.client,
                f"{op.method} {op.path}",
                op.outcome.value,
                " ".join(
                    filter(None, (str(op.status or ""), op.key and f"key {op.key}", op.reason))
                ),
                is_near=any(_asks_about(op, thing) for thing in suspects)
                or (op.outcome.value == "info" and any(_is_near(op, fault) for fault in faults)),
            )
            for op in in_order(self._evidence.history)
        ]

    # --- what is behind -----------------------------------------------------------------------

    def _at(self, record: Record) -> float:
        return record.timestamp_ms / 1000 - self._began_at.timestamp()

    @cached_property
    def _stored(self) -> dict[str, _Stored]:
        """The events in the outbox, by their ids."""
        found = {}
        for row in self._evidence.rows("outbox"):
            at_s = (_utc(row["created_at"]) - self._began_at) / timedelta(seconds=1)
            payload = loads(row["payload"])
            stored = _Stored(at_s, row["id"], row["event_type"], payload)
            found[str(payload["event_id"])] = stored
        return found

    @cached_property
    def _asked(self) -> dict[UUID, Op]:
        found: dict[UUID, Op] = {}
        for op in self._evidence.history:
            id = next((v for k, v in op.headers.items() if k.lower() == CORRELATION_ID.lower()), "")
            if id and op.method != "GET":
                found.setdefault(UUID(id), op)
        return found

    @cached_property
    def _threads(self) -> dict[UUID, list[Told]]:
        threads: dict[UUID, list[Told]] = {}
        for one in self._evidence.first_told.values():
            if self._at(one.record) >= 0:
                threads.setdefault(one.envelope.cause.correlation_id, []).append(one)
        return threads

    @cached_property
    def _kinds(self) -> set[str]:
        of_events = {one.event.type.partition(".")[0] for one in self._evidence.told}
        of_paths = {op.path.split("/")[1].removesuffix("s") for op in self._evidence.history}
        return of_events | of_paths


def in_order(ops: Iterable[Op]) -> list[Op]:
    """The history by its beginnings; it is recorded in the order of the answers."""
    return sorted(ops, key=lambda op: op.began_s)


def id_of(op: Op) -> str:
    """The id that a command's answer tells."""
    is_told = op.ok and op.method == "POST" and isinstance(op.json, dict)
    return str(op.json.get("id", "")) if is_told else ""


def _facts(payload: Mapping[str, object]) -> str:
    """What an event says in plain values: `account_id 7, amount 20, version 3`."""
    return ", ".join(
        f"{name} {value}"
        for name, value in payload.items()
        if isinstance(value, (str, int, Decimal)) and name not in ("event_id", "occurred_at")
    )


def _is_about(event: Any, thing: Thing) -> bool:  # one of the models of events
    return bool(getattr(event, f"{thing.kind}_id", None) == thing.id)


def _asks_about(op: Op, thing: Thing) -> bool:
    kind, _, rest = op.path.strip("/").partition("/")
    if kind != f"{thing.kind}s":
        return False
    return rest.partition("/")[0] == str(thing.id) or (not rest and id_of(op) == str(thing.id))


def _is_near(op: Op, fault: Fault) -> bool:
    """Whether a request was under way during a fault, or began soon after it."""
    return fault.meets(op.began_s - NEAR_S, op.ended_s)


def _utc(moment: datetime | str) -> datetime:
    """As a database has it: of SQLite a text, of MySQL without its zone, which is UTC."""
    read = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return read if read.tzinfo else read.replace(tzinfo=UTC)
