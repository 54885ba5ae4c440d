"""Commands: what was acknowledged is there, what was refused is not, and nothing is done twice."""

from __future__ import annotations

from collections.abc import Collection, Container, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

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


@dataclass(frozen=True, slots=True)
class Requests(Generic[M]):
    """All requests to make things, by their marks, and what there is of each mark.

    Each mark is judged by one of three promises: whether all of its requests were refused, whether
    they have one key, and whether what they made is no more than what was asked for.
    """

    asked: Mapping[M, Sequence[Asked]]
    made: Mapping[M, Collection[str]]

    def refused_has_no_effect(self) -> Cases:
        for mark, requests in self.asked.items():
            if _are_refused(requests):
                yield self._case(mark, requests, 0)

    def keys_count_once(self) -> Cases:
        for mark, requests in self.asked.items():
            if _have_one_key(requests) and not _are_refused(requests):
                yield self._case(mark, requests, 1)

    def take_effect_once(self) -> Cases:
        for mark, requests in self.asked.items():
            if not _have_one_key(requests) and not _are_refused(requests):
                done = {one.thing for one in requests if one.outcome == "ok"}
                unsure = sum(one.outcome == "info" for one in requests)
                yield self._case(mark, requests, len(done) + unsure)

    def _case(self, mark: M, requests: Sequence[Asked], allowed: int) -> Anomaly | None:
        things = sorted(self.made.get(mark, ()))
        if len(things) <= allowed:
            return KEPT
        name, how = ("done twice", "sent") if allowed else ("refused and done", "refused")
        times = f"{how} {len(requests)} times" if len(requests) > 1 else f"was {how}"
        there = "is" if len(things) == 1 else "are"
        seen = f"{requests[0].request} {times}, and {', '.join(things)} {there} there"
        return Anomaly(name, seen, about=things[0])


def _are_refused(requests: Sequence[Asked]) -> bool:
    return all(one.outcome == "fail" for one in requests)


def _have_one_key(requests: Sequence[Asked]) -> bool:
    """Of a key that was sent once nothing is to be seen."""
    return (
        len(requests) > 1 and None not in (keys := {one.key for one in requests}) and len(keys) == 1
    )


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
