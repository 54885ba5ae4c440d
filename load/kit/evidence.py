"""The evidence of a run: what was asked for, what was answered, what was seen.

One JSON line each, written while the run lasts, so that a soak needs no more memory than a second
of it:

    {"run": {...}}                                      who and where, before anything else
    {"asked": 7, "as": "ok", "thing": 42, "facts": {…}}  request 7 made thing 42, described so
    {"step": "pay", "as": "ok", "thing": 42}             a later command about it
    {"seen": 42, "after": "pay", "ms": 12.5, "facts": {…}}  what a reader with its own token saw
    {"end": {...}}                                      the run's last word: what is missing here

`mark` is what tells the things that requests have made apart: it is unique to a request, and found
again in what it made. So a request that was never answered can be told from one that was done twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from chaos.kit.history import Outcome

Json = Any  # JSON as it came: the judge of a system knows its shape
Facts = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to make a thing, and what came of it."""

    mark: int
    outcome: Outcome
    thing: int | None = None
    facts: Facts = field(default_factory=dict)
    """What the answer said that was made."""

    def line(self) -> Json:
        line = {"asked": self.mark, "as": self.outcome.value}
        return {**line, "thing": self.thing, "facts": self.facts} if self.thing else line


@dataclass(frozen=True, slots=True)
class Step:
    """A later command about a thing."""

    thing: int
    name: str
    outcome: Outcome

    def line(self) -> Json:
        return {"step": self.name, "as": self.outcome.value, "thing": self.thing}


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader saw who sent the token of its own last step."""

    thing: int
    after: str
    facts: Facts | None
    """None: it was told that there is no such thing."""
    visible_ms: float | None = None
    """From the acknowledgement to this answer."""

    def line(self) -> Json:
        return {"seen": self.thing, "after": self.after, "ms": self.visible_ms, "facts": self.facts}


Record = Asked | Step | Seen


class NotEvidence(Exception):
    """The file holds no evidence of a run. The text is one line that says why."""


@dataclass(frozen=True)
class Evidence:
    """A file of evidence, read."""

    run: Facts
    asked: Sequence[Asked]
    steps: Sequence[Step]
    seen: Sequence[Seen]
    gap: str
    """Why some of what was asked may be missing here. Empty: nothing is."""


class Spool:
    """Writes evidence to its file, record by record."""

    def __init__(self, path: Path, run: Facts) -> None:
        """Begin the file anew. Raises OSError."""
        self.path = path
        self._file = path.open("w", encoding="utf-8")
        self._put({"run": run})
        self._file.flush()

    def add(self, lines: Iterable[Json]) -> None:
        for line in lines:
            self._put(line)
        self._file.flush()  # what a killed run has asked for shall be known

    def close(self, *, gap: str = "", **facts: Json) -> None:
        """Write the last word. Nothing may follow it."""
        if not self._file.closed:
            self._put({"end": {"gap": gap, **facts}})
            self._file.close()

    def _put(self, line: Json) -> None:
        self._file.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(gap="" if kind is None else "the run broke off")


def read(path: Path) -> Evidence:
    """All of a file. Raises NotEvidence."""
    run: Facts | None = None
    asked: list[Asked] = []
    steps: list[Step] = []
    seen: list[Seen] = []
    gap = "the run broke off before its end was written"
    try:
        for line in _lines(path):
            match line:
                case {"asked": mark, "as": outcome}:
                    facts = line.get("facts", {})
                    asked.append(Asked(mark, Outcome(outcome), line.get("thing"), facts))
                case {"step": name, "as": outcome, "thing": thing}:
                    steps.append(Step(thing, name, Outcome(outcome)))
                case {"seen": thing, "after": after, "ms": visible_ms, "facts": facts}:
                    seen.append(Seen(thing, after, facts, visible_ms))
                case {"run": begun}:
                    run = begun
                case {"end": ended}:
                    gap = ended["gap"]
                case _:
                    raise NotEvidence(f"{path}: no such record: {str(line)[:80]}")
    except OSError as error:
        raise NotEvidence(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise NotEvidence(f"{path} is no evidence of a run: {error}") from error
    if run is None:
        raise NotEvidence(f"{path} is no evidence of a run: it has no first line")
    return Evidence(run, asked, steps, seen, gap)


def _lines(path: Path) -> Iterator[Json]:
    """Line by line. What a killed run has left of its last line is no record."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)
