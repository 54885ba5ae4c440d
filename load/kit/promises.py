"""Promises that black-box evidence allows to judge: requests, answers, and what both sides show.

They speak of *things* that requests make, of *steps* that things go through, and of *accounts* from
which things hold amounts. What these are in a system, and which states follow a step, is said by
its `Rules`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chaos.kit import promises as kit
from chaos.kit.history import Outcome
from chaos.kit.promises import (
    KEPT,
    Anomaly,
    CannotJudge,
    Cases,
    Checker,
    Verdict,
    amounts,
    commands,
    states,
    views,
)
from chaos.kit.promises.anomalies import ANOMALIES
from chaos.kit.promises.commands import Acknowledged, Requests
from load.kit.evidence import Asked, Evidence, Facts


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


def judge(books: Books, promises: Iterable[Checker[Books]], *, unrest: str) -> list[Verdict]:
    """`unrest`: what kept the system from coming to rest, if anything did."""
    return kit.judge(books, promises, ANOMALIES, unrest=unrest)


def acknowledged_has_its_effect(books: Books) -> Cases:
    return commands.acknowledged_is_kept(_of_side(books, books.written, "the write side"))


def acknowledged_is_shown(books: Books) -> Cases:
    return commands.acknowledged_is_kept(_of_side(books, books.shown, "the query side"))


def _of_side(books: Books, side: Mapping[int, Thing], name: str) -> Iterator[Acknowledged]:
    """What was made is there as it was, and what was done holds."""
    for id, asked in books.acknowledged():
        thing = side.get(id)
        if thing is None:
            wrong = f"{name} does not have it"
        else:
            differences = views.differing(asked.facts, thing.facts)
            wrong = f"{name} has it otherwise: {differences}" if differences else ""
        yield Acknowledged(f"the making of {id}", str(id), wrong)
    for step in books.evidence.steps:
        if step.outcome is Outcome.OK:
            thing = side.get(step.thing)
            if thing is None:
                wrong = f"{name} does not have it"
            else:
                holds = books.rules.follows(step.name, thing.facts)
                wrong = "" if holds else f"{name} has {_short(thing)}"
            yield Acknowledged(f"{step.name} of {step.thing}", str(step.thing), wrong)


def refused_has_no_effect(books: Books) -> Cases:
    return _requests(books).refused_has_no_effect()


def commands_take_effect_once(books: Books) -> Cases:
    """One case per request that has made something."""
    return _requests(books).take_effect_once()


def nothing_unasked(books: Books) -> Cases:
    """One case per thing."""
    return commands.nothing_unasked(
        ((thing.mark, str(id), f"{id} is there") for id, thing in books.written.items()),
        _requests(books).asked,
    )


def _requests(books: Books) -> Requests[int]:
    """Raises CannotJudge."""
    if books.evidence.gap:
        raise CannotJudge(books.evidence.gap)
    made: dict[int, list[str]] = defaultdict(list)
    for id, thing in books.written.items():
        made[thing.mark].append(str(id))
    asked = {
        one.mark: [commands.Asked(f"request {one.mark}", one.outcome, str(one.thing))]
        for one in books.evidence.asked
    }
    return Requests(asked, made)


def views_show_the_truth(books: Books) -> Cases:
    """One case per thing that either side shows."""
    yield from views.sides_agree(_facts(books.written), _facts(books.shown))
    sides: tuple[dict[str, views.Shown], dict[str, views.Shown]] = {}, {}
    for name, *shown in books.pairs:
        for side, value in zip(sides, shown, strict=True):
            if value is not None:
                side[name] = {"shown": value}
    yield from views.sides_agree(*sides)


def _facts(side: Mapping[int, Thing]) -> Mapping[str, views.Shown]:
    return {str(id): thing.facts for id, thing in side.items()}


def amounts_are_held_by_things(books: Books) -> Cases:
    """One case per account: what was put in is what is left and what is held."""
    put, left = _known(books)
    return amounts.conserved(put, _held(books, put).values(), left)


def never_negative(books: Books) -> Cases:
    _, left = _known(books)
    return amounts.never_negative({id: [amount] for id, amount in left.items()})


def never_more_than_there_is(books: Books) -> Cases:
    put, _ = _known(books)
    return amounts.never_more_than_there_is(put, _held(books, put))


def _known(books: Books) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """What was put into accounts of which that is known, and what is left. Raises CannotJudge."""
    put = {one.id: one.put for one in books.accounts if one.put is not None}
    if books.accounts and not put:
        raise CannotJudge("what there is to take was there before the run, and others may take it")
    return put, {one.id: one.left for one in books.accounts if one.id in put}


def _held(books: Books, known: Container[int]) -> Mapping[str, Mapping[int, int]]:
    """What each thing has taken."""
    return {
        str(id): {account: -count for account, count in thing.holds.items() if account in known}
        for id, thing in books.written.items()
    }


def consistency_token_honoured(books: Books) -> Cases:
    """One case per answer to a reader who sent its own write's token."""
    return states.own_writes_are_seen(
        (
            f"{seen.thing}: {seen.facts and dict(seen.facts)} for a reader with the token of {seen.after}",
            str(seen.thing),
            seen.facts is not None and books.rules.follows(seen.after, seen.facts),
        )
        for seen in books.evidence.seen
    )


def readers_never_go_back(books: Books) -> Cases:
    """One case per second look at a thing. Each thing is looked at by one reader alone."""
    return states.readers_never_go_back(
        (
            states.Seen(
                "its reader",
                str(seen.thing),
                None if seen.facts is None else books.rules.rank(seen.facts),
            )
            for seen in books.evidence.seen
        ),
        lambda before, now: all(a <= b for a, b in zip(before, now, strict=True)),
    )


def final_states_reached(books: Books) -> Cases:
    """One case per thing: it has come to a state in which it may stay."""
    return states.ends_well(
        (str(thing.id), _short(thing), books.rules.ends_well(thing.facts))
        for thing in books.written.values()
    )


def dead_letters_are_the_poison(books: Books) -> Cases:
    """One case per consumer."""
    if books.parked is None:
        raise CannotJudge("the consumers did not say how much they had parked before the run")
    for consumer, messages in books.parked.items():
        yield (
            Anomaly("healthy dead letter", f"{consumer} parked {messages} messages")
            if messages
            else KEPT
        )


def _short(thing: Thing) -> str:
    return str(dict(thing.facts))[:200]
