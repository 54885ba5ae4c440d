"""What can be seen of a system. A promise that needs more is not judged, and never called kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Flag, auto


class Sight(Flag):
    """What can be seen of a system from outside."""

    MARKS = auto()
    """A command's mark is found again in what is read, and in events."""
    READS = auto()
    """Things can be read on the write side."""
    VIEWS = auto()
    """Things can be read on the query side."""
    AMOUNTS = auto()
    """What accounts hold can be read."""
    RECORDS = auto()
    """The records of topics can be decoded."""
    MOVES = auto()
    """Events tell what was taken from accounts, and given to them."""
    EVENT_IDS = auto()
    """Each event has an id of its own, the same when it is sent again."""
    VERSIONS = auto()
    """Events count the versions of their thing."""
    GROUPS = auto()
    """Consumers commit offsets to groups, so that their lag can be seen."""
    DEAD_LETTERS = auto()
    """What cannot be handled is parked in a topic: `Topic.dead_letters` names it."""
    IDEMPOTENCY = auto()
    """A command that has a key can be sent twice."""


NOTHING, ALL = Sight(0), ~Sight(0)


@dataclass(frozen=True, slots=True)
class Blind:
    """What cannot be seen, and why: printed where a promise is not judged for it."""

    sight: Sight
    because: str


def because(unseen: Sight, blind: Sequence[Blind]) -> str:
    """Why a promise that needs this is not judged."""
    reasons = [one.because for one in blind if one.sight & unseen]
    return "; ".join(dict.fromkeys(reasons)) or f"{names(unseen)} cannot be seen"


def names(sight: Sight) -> str:
    """As they are written in an adapter."""
    return " and ".join(str(one.name) for one in sight)
