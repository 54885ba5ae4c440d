"""Promises that black-box evidence allows to judge: requests, answers, and what both sides show.

They speak of *things* that requests make, of *steps* that things go through, and of *accounts* from
which things hold amounts. What these are in a system, and which states follow a step, is said by
its `Rules`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chaos.kit.history import Outcome
from load.kit.evidence import Asked, Evidence, Facts, Seen
from load.kit.verdicts import CannotJudge


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that a request has made, as one side shows it."""

    id: int
    mark: int
    facts: Facts
    """What both sides have to show alike."""
    holds: Mapping[int, int] = field(default_factory=dict)
    """How much of which account it holds now."""


@dataclass(frozen=True, slots=True)
class Account:
    """Something of which there is only so much."""

    id: int
    put: int | None
    """What was put in. None: not known, because it was there before the run."""
    left: int
    """As the write side shows it."""


class Rules(Protocol):
    """What a system's states mean."""

    def follows(self, step: str, facts: Facts) -> bool:
        """Whether what is shown may be what has become of a thing after this step."""

    def ends_well(self, facts: Facts) -> bool:
        """Whether a thing may stay as it is, once nothing moves any more."""

    def rank(self, facts: Facts) -> tuple[int, ...]:
        """How far a thing has come. No part of it ever falls."""


MAKING = "make"
"""The step by which a thing comes to be."""


@dataclass(frozen=True)
class Books:
    """All that the judge knows."""

    evidence: Evidence
    rules: Rules
    written: Mapping[int, Thing] = field(default_factory=dict)
    shown: Mapping[int, Thing] = field(default_factory=dict)
    accounts: Sequence[Account] = ()
    pairs: Sequence[tuple[str, object, object]] = ()
    """Whatever else both sides show: its name, and what each of them says."""
    parked: Mapping[str, int] | None = None
    """Messages that were given up during the run, by consumer. None: nobody could say."""

    def acknowledged(self) -> Iterator[tuple[int, Asked]]:
        """Each thing whose making was acknowledged."""
        for asked in self.evidence.asked:
            if asked.outcome is Outcome.OK and asked.thing is not None:
                yield asked.thing, asked


def acknowledged_is_kept(books: Books) -> Iterator[str | None]:
    yield from _has_all(books, books.written, "the write side")


def acknowledged_is_shown(books: Books) -> Iterator[str | None]:
    yield from _has_all(books, books.shown, "the query side")


def _has_all(books: Books, side: Mapping[int, Thing], name: str) -> Iterator[str | None]:
    """One case per acknowledgement: what was made is there as it was, and what was done holds."""
    for id, asked in books.acknowledged():
        thing = side.get(id)
        if thing is None:
            yield f"{id}: acknowledged, and {name} does not have it"
        else:
            yield _differs(f"{id} on {name}", asked.facts, thing.facts)
    for step in books.evidence.steps:
        if step.outcome is Outcome.OK:
            thing = side.get(step.thing)
            if thing is None:
                yield f"{step.thing}: {step.name} was acknowledged, and {name} does not have it"
            elif not books.rules.follows(step.name, thing.facts):
                yield f"{step.thing}: {step.name} was acknowledged, and {name} has {_short(thing)}"
            else:
                yield None


def done_once(books: Books) -> Iterator[str | None]:
    """One case per thing: exactly one request made it, and that one was not refused."""
    if books.evidence.gap:
        raise CannotJudge(books.evidence.gap)
    outcomes = {asked.mark: asked.outcome for asked in books.evidence.asked}
    times = Counter(thing.mark for thing in books.written.values())
    for id, thing in books.written.items():
        outcome = outcomes.get(thing.mark)
        if outcome is None:
            yield f"{id}: nobody asked for it"
        elif outcome is Outcome.FAIL:
            yield f"{id}: its request was refused"
        elif times[thing.mark] > 1:
            yield f"{id}: one request made {times[thing.mark]} of them"
        else:
            yield None


def both_sides_agree(books: Books) -> Iterator[str | None]:
    """One case per thing that either side shows."""
    for id in sorted(books.written.keys() | books.shown.keys()):
        written, shown = books.written.get(id), books.shown.get(id)
        if written is None:
            yield f"{id}: only the query side shows it"
        elif shown is None:
            yield f"{id}: only the write side has it"
        else:
            yield _differs(f"{id}, written and shown", written.facts, shown.facts)
    for name, of_writes, of_reads in books.pairs:
        yield None if of_writes == of_reads else f"{name}: {of_writes} written, {of_reads} shown"


def amounts_conserved(books: Books) -> Iterator[str | None]:
    """One case per account: what was put in is what is left and what is held."""
    held = _held(books)
    for account in _known(books):
        due = account.put - held[account.id]
        wrong = f"{account.id}: {account.put} put in, {held[account.id]} held, {account.left} left"
        yield None if account.left == due else wrong


def nothing_oversold(books: Books) -> Iterator[str | None]:
    """One case per account: no more is held than was put in, and nothing is below zero."""
    held = _held(books)
    for account in _known(books):
        if account.left < 0:
            yield f"{account.id}: {account.left} left"
        elif held[account.id] > account.put:
            yield f"{account.id}: {held[account.id]} held, of {account.put} that were put in"
        else:
            yield None


@dataclass(frozen=True, slots=True)
class _Known:
    id: int
    put: int
    left: int


def _known(books: Books) -> Iterator[_Known]:
    """The accounts of which is known what was put in. Raises CannotJudge if there is none."""
    known = [_Known(one.id, one.put, one.left) for one in books.accounts if one.put is not None]
    if books.accounts and not known:
        raise CannotJudge("what there is to take was there before the run, and others may take it")
    yield from known


def _held(books: Books) -> Counter[int]:
    held: Counter[int] = Counter()
    for thing in books.written.values():
        held.update(thing.holds)
    return held


def token_honoured(books: Books) -> Iterator[str | None]:
    """One case per answer to a reader who sent its own write's token."""
    for seen in books.evidence.seen:
        if seen.facts is None:
            yield f"{seen.thing}: not there for a reader with the token of its {seen.after}"
        elif not books.rules.follows(seen.after, seen.facts):
            yield f"{seen.thing}: {dict(seen.facts)} for a reader with the token of {seen.after}"
        else:
            yield None


def readers_never_go_back(books: Books) -> Iterator[str | None]:
    """One case per second look at a thing. Each thing is looked at by one reader alone."""
    looks: dict[int, list[Seen]] = defaultdict(list)
    for seen in books.evidence.seen:
        looks[seen.thing].append(seen)
    for id, seen_ones in looks.items():
        before: tuple[int, ...] = ()
        for seen in seen_ones:
            now = books.rules.rank(seen.facts) if seen.facts is not None else ()
            if before:
                is_back = len(now) < len(before) or any(
                    a < b for a, b in zip(now, before, strict=True)
                )
                yield f"{id}: {dict(seen.facts or {})} after a later state" if is_back else None
            before = now


def ends_well(books: Books) -> Iterator[str | None]:
    """One case per thing: it has come to a state in which it may stay."""
    for thing in books.written.values():
        yield None if books.rules.ends_well(thing.facts) else f"{thing.id}: {_short(thing)}"


def nothing_parked(books: Books) -> Iterator[str | None]:
    """One case per consumer."""
    if books.parked is None:
        raise CannotJudge("the consumers did not say how much they had parked before the run")
    for consumer, messages in books.parked.items():
        yield f"{consumer} parked {messages} messages" if messages else None


def _differs(what: str, wanted: Facts, found: Facts) -> str | None:
    names = [name for name in wanted if wanted[name] != found.get(name)]
    if not names:
        return None
    differences = (f"{name} {wanted[name]!r} and {found.get(name)!r}" for name in names)
    return f"{what}: {', '.join(differences)}"


def _short(thing: Thing) -> str:
    return str(dict(thing.facts))[:200]
