"""Commands: what was acknowledged is there, what was refused is not, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Collection, Container, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from chaos.kit.promises.checker import KEPT, Anomaly, Cases

M = TypeVar("M", bound=Hashable)
"""A mark: what tells a command apart from all others, and is found again in what it made."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A command that was answered with success, and what of it is not as it should be."""

    command: str
    about: str
    wrong: str = ""
    """Empty: nothing."""


def acknowledged_is_kept(commands: Iterable[Acknowledged]) -> Cases:
    for one in commands:
        yield (
            Anomaly(
                "acknowledged and lost",
                f"{one.command} was acknowledged, and {one.wrong}",
                about=one.about,
            )
            if one.wrong
            else KEPT
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to make a thing, and what came of it."""

    request: str
    outcome: str
    """ok: done. fail: certainly not done. info: nobody knows."""
    thing: str = ""
    """What the answer says that was made."""
    key: str | None = None
    """All that have the same one are one request."""


def take_effect_once(
    asked: Mapping[M, Sequence[Asked]], made: Mapping[M, Collection[str]]
) -> Cases:
    """`made`: by mark, all that there is of it.

    Requests with one mark may have made one thing each, and with one key one together; those that
    were refused have made none.
    """
    for mark, requests in asked.items():
        things = sorted(made.get(mark, ()))
        if len(things) <= _allowed(requests):
            yield KEPT
            continue
        done = [one for one in requests if one.outcome != "fail"]
        name, how = ("done twice", "sent") if done else ("refused and done", "refused")
        first = requests[0].request
        times = f"{how} {len(requests)} times" if len(requests) > 1 else f"was {how}"
        there = "is" if len(things) == 1 else "are"
        yield Anomaly(
            name, f"{first} {times}, and {', '.join(things)} {there} there", about=things[0]
        )


def _allowed(requests: Sequence[Asked]) -> int:
    done = {one.thing for one in requests if one.outcome == "ok"}
    unsure = sum(one.outcome == "info" for one in requests)
    keys = {one.key for one in requests}
    is_one = len(keys) == 1 and None not in keys
    return min(1, len(done) + unsure) if is_one else len(done) + unsure


def nothing_unasked(
    things: Iterable[tuple[M, str, str]], asked: Container[M], *, name: str = "phantom event"
) -> Cases:
    """`things`: of each its mark, its name, and where it is seen. `name`: what one that is too much is."""
    for mark, about, seen in things:
        yield (
            KEPT
            if mark in asked
            else Anomaly(name, f"{seen}, and nobody has asked for it", about=about)
        )
