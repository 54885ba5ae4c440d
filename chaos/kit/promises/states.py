"""States: things go by allowed steps to where they may stay, and no reader sees them go back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, TypeVar

from chaos.kit.promises.checker import KEPT, Anomaly, Cases

S = TypeVar("S")
"""How a thing is."""


def only_allowed_steps(
    lives: Iterable[tuple[str, Sequence[S]]],
    leads: Callable[[S, S], bool],
    named: Callable[[S], str] = str,
) -> Cases:
    """`lives`: each thing, and the states that it went through. `leads`: whether one may follow another."""
    for about, states in lives:
        for before, after in pairwise(states):
            yield (
                KEPT
                if leads(before, after)
                else Anomaly(
                    "forbidden step",
                    f"{about} went from {named(before)} to {named(after)}",
                    about=about,
                )
            )


def ends_well(things: Iterable[tuple[str, str, bool]]) -> Cases:
    """At rest, each thing is in a state in which it may stay: its name, its state, and whether it may."""
    for about, state, may_stay in things:
        yield KEPT if may_stay else Anomaly("half-way", f"{about} is {state} at rest", about=about)


@dataclass(frozen=True, slots=True)
class Seen(Generic[S]):
    """What a reader saw of a thing. None: that it is not there."""

    reader: Hashable
    about: str
    state: S | None
    is_excused: bool = False
    """For what is not there: somebody may have ended it."""


def readers_never_go_back(
    seen: Iterable[Seen[S]], leads: Callable[[S, S], bool], named: Callable[[S], str] = str
) -> Cases:
    """`seen`, in the order of each reader. `leads`: whether the second may be seen after the first."""
    last: dict[tuple[Hashable, str], S] = {}
    for one in seen:
        place = one.reader, one.about
        before = last.get(place)
        if one.state is not None:
            last[place] = one.state
        if before is None:
            continue
        if one.state is not None:
            yield (
                KEPT
                if leads(before, one.state)
                else Anomaly(
                    "went back",
                    f"{one.reader} saw {one.about} {named(before)}, then {named(one.state)}",
                    about=one.about,
                )
            )
        elif not one.is_excused:
            yield Anomaly(
                "vanished",
                f"{one.reader} saw {one.about} {named(before)}, then nothing",
                about=one.about,
            )


def own_writes_are_seen(looks: Iterable[tuple[str, str, bool]]) -> Cases:
    """`looks`, each of a reader that names its own write: what it asks for, the thing, and whether it is shown."""
    for asked, about, is_shown in looks:
        yield KEPT if is_shown else Anomaly("own write unseen", asked, about=about)
