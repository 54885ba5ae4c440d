"""What is left of a run for the judge, whether a stranger's or one written by hand for a test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from chaos.kit.blackbox.language import (
    READS,
    Answer,
    Command,
    Do,
    Event,
    Kind,
    Meant,
    Record,
    Request,
    Shown,
    States,
)

NEAR_S = 3.0
"""A fault that is so near to a step of a story belongs to it."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One command of one client, with what came of it, in the neutral language.

    `chaos.kit.history.Op` is one request over HTTP, as it was sent.
    """

    client: str
    command: Command
    meant: Meant
    request: Request | None = None
    answer: Answer | None = None
    began_s: float = 0.0
    ended_s: float = 0.0

    @property
    def ok(self) -> bool:
        return self.meant.outcome == "ok"

    @property
    def is_answered(self) -> bool:
        return self.answer is not None and self.answer.stage == "answered"

    @property
    def is_unheard(self) -> bool:
        """Nobody listened: no byte of it was sent."""
        return self.answer is not None and self.answer.stage == "refused"

    @property
    def about(self) -> str:
        """The thing: named by the command, or, where that made it, by the answer."""
        return self.command.about or self.meant.about


@dataclass(frozen=True, slots=True)
class Fault:
    """What was done to the system, and when."""

    what: str
    began_s: float
    ended_s: float


@dataclass(frozen=True, slots=True)
class Told:
    """An event, and the record that tells it."""

    event: Event
    record: Record

    @property
    def about(self) -> str:
        return self.event.about

    @property
    def topic(self) -> str:
        return self.record.topic

    @property
    def partition(self) -> int:
        return self.record.partition


@dataclass(frozen=True)
class Observations:
    """All that the judge may know of a run: what shows outside. `chaos.kit.evidence` has the stores, too."""

    states: States
    tells: Mapping[Do, Collection[Kind]] = field(default_factory=dict)
    ops: Sequence[Exchange] = ()
    told: Sequence[Told] = ()
    """In the order of partition and offset, repeats included."""
    unreadable: Sequence[tuple[Record, str]] = ()
    """Records that the adapter could not decode, and why. Poison is not among them."""
    opened: Mapping[str, int] = field(default_factory=dict)
    """What each account held when it was made."""
    read: Mapping[str, Shown] = field(default_factory=dict)
    """Each thing at rest, as the write side shows it. One that is not there is left out."""
    viewed: Mapping[str, Shown] = field(default_factory=dict)
    """The same, of the query side."""
    held: Mapping[str, Shown] = field(default_factory=dict)
    """Each account at rest, as the write side shows it."""
    held_in_views: Mapping[str, Shown] = field(default_factory=dict)
    faults: Sequence[Fault] = ()
    missing: Sequence[str] | None = None
    """What kept the run from coming to rest. None: nobody waited for it."""
    processes: Collection[str] = ()
    falls: Sequence[str] = ()
    """How processes ended by themselves."""
    poison: Mapping[str, Collection[bytes]] = field(default_factory=dict)
    """By topic of dead letters: what was put in and has to be there."""
    letters: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    """By topic of dead letters: what is there."""
    mark_is_amount: bool = False
    """Whether a thing takes its mark, see `Workload`."""

    @cached_property
    def first_told(self) -> Sequence[Told]:
        """Each event once, where it stands first."""
        first: dict[tuple[str, str], Told] = {}
        for told in self.told:
            first.setdefault(_identity(told), told)
        return list(first.values())

    @cached_property
    def told_of(self) -> Mapping[str, Sequence[Told]]:
        """By thing, each event once."""
        found: dict[str, list[Told]] = defaultdict(list)
        for told in self.first_told:
            if told.event.about:
                found[told.event.about].append(told)
        return found

    @cached_property
    def placed(self) -> Mapping[str, Exchange]:
        """By thing: the command that placed it, found by its answer, or by its mark in an event."""
        made = [op for op in self.ops if op.command.do in ("place", "move")]
        # Of one that was sent again: the answer that names the thing, whichever came last.
        marks = {op.command.mark: op for op in sorted(made, key=lambda op: op.ok)}
        found = {
            told.event.about: marks[told.event.mark]
            for told in self.first_told
            if told.event.mark in marks and told.event.about
        }
        return found | {op.meant.about: op for op in marks.values() if op.ok and op.meant.about}

    @cached_property
    def ops_about(self) -> Mapping[str, Sequence[Exchange]]:
        found: dict[str, list[Exchange]] = defaultdict(list)
        for thing, op in self.placed.items():
            found[thing].append(op)
        for op in self.ops:
            if op.command.about:
                found[op.command.about].append(op)
        return found

    def moved(self, thing: str) -> dict[str, int]:
        """By account: what the events of a thing come to, each effect counted once.

        One that has happened twice is a promise of its own, and no reason to break others too.
        """
        effects = {
            (told.event.kind, told.event.cause, account): amount
            for told in self.told_of.get(thing, ())
            for account, amount in told.event.moves.items()
        }
        total: dict[str, int] = defaultdict(int)
        for (_, _, account), amount in effects.items():
            total[account] += amount
        return total

    def story(self, thing: str) -> Iterator[str]:
        """What was done to a thing, told of it and done to the system meanwhile, step by step."""
        ops, told = self.ops_about.get(thing, ()), self.told_of.get(thing, ())
        lines = [
            (
                op.ended_s,
                f"{op.client}: {op.command} → {op.meant.outcome} ({op.answer or 'by hand'})",
            )
            for op in ops
            if op.command.do not in READS and not _has_reached_nobody(op)
        ]
        lines += [(one.record.at_s, f"{one.record.place}: {one.event}") for one in told]
        steps = [at_s for at_s, _ in lines]
        lines += [
            (fault.began_s, f"fault: {fault.what} for {fault.ended_s - fault.began_s:.1f} s")
            for fault in self.faults
            if any(fault.began_s - NEAR_S <= at_s <= fault.ended_s + NEAR_S for at_s in steps)
        ]
        began_s = min((op.began_s for op in self.ops), default=0.0)
        yield from (f"{at_s - began_s:7.2f} s  {what}" for at_s, what in sorted(lines))
        if (shown := self.read.get(thing)) is not None:
            yield f"at rest    {thing} is {shown}"
        if moved := {account: amount for account, amount in self.moved(thing).items() if amount}:
            yield f"at rest    its events come to {moved}"


def _has_reached_nobody(op: Exchange) -> bool:
    return op.answer is not None and op.answer.stage == "refused"


def _identity(told: Told) -> tuple[str, str]:
    """An event's id, and where it has none, its very bytes; of one that moves amounts, what it says.

    A handler that is delivered twice and moves nothing the second time may well tell it again, at
    another time of day: counted as another move, it would make amounts of nothing.
    """
    event, record = told.event, told.record
    if event.id:
        return event.id, f"{event.kind}{event.about}"
    if event.moves:
        return record.topic, f"{event.cause} {event}"
    return record.topic, f"{record.value!r}{event}"
