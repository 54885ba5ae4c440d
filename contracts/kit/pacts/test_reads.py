"""What is recorded is what was read, however the model is taken."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from contracts.kit.pacts.reads import may_be_null, recorded, values_at


class Line(BaseModel):
    part: int
    count: int
    price: Decimal


class Letter(BaseModel):
    kind: ClassVar[str] = "letter"
    id: int
    note: str | None
    lines: tuple[Line, ...]
    first: Line

    @property
    def weight(self) -> int:
        return self.first.count

    def counts(self) -> list[int]:
        return [line.count for line in self.lines]


LINE = Line(part=1, count=2, price=Decimal("0.50"))
LETTER = Letter(id=7, note=None, lines=(LINE, LINE), first=LINE)
EVERYTHING = {
    "id",
    "note",
    "lines.*",
    "lines.*.part",
    "lines.*.count",
    "lines.*.price",
    "first.part",
    "first.count",
    "first.price",
}


@pytest.mark.parametrize(
    ("use", "reads"),
    [
        pytest.param(lambda it: it.id, {"id"}, id="field"),
        pytest.param(lambda it: it.note, {"note"}, id="null"),
        pytest.param(lambda it: it.first is None, set(), id="piece alone"),
        pytest.param(lambda it: it.first.part, {"first.part"}, id="field of a piece"),
        pytest.param(lambda it: len(it.lines), {"lines.*"}, id="length"),
        pytest.param(
            lambda it: sum(line.count for line in it.lines),
            {"lines.*", "lines.*.count"},
            id="field of elements",
        ),
        pytest.param(lambda it: it.weight, {"first.count"}, id="property"),
        pytest.param(lambda it: it.counts(), {"lines.*", "lines.*.count"}, id="method"),
        pytest.param(lambda it: it.model_dump(), EVERYTHING, id="dump"),
        pytest.param(lambda it: it == LETTER, EVERYTHING, id="comparison"),
        pytest.param(dict, EVERYTHING, id="iteration"),
        pytest.param(repr, EVERYTHING, id="text"),
        pytest.param(lambda it: it.kind, set(), id="what its class says"),
        pytest.param(lambda it: isinstance(it, Letter), set(), id="isinstance"),
    ],
)
def test_it_records(use: Callable[[Any], object], reads: set[str]) -> None:
    seen: set[tuple[str, ...]] = set()
    stand_in = recorded(LETTER, seen)
    assert use(stand_in) == use(LETTER)
    assert {".".join(path) for path in seen} == reads


def test_what_is_not_there_cannot_be_read() -> None:
    with pytest.raises(AttributeError, match="'Letter' object has no attribute 'colour'"):
        _ = recorded(LETTER, set()).colour


@pytest.mark.parametrize(
    ("path", "answer"),
    [("id", False), ("note", True), ("lines.*", False), ("lines.*.part", False), ("first", False)],
)
def test_it_knows_what_may_be_null(path: str, answer: bool) -> None:
    assert may_be_null(Letter, tuple(path.split("."))) is answer


def test_it_finds_the_values_at_a_path() -> None:
    assert list(values_at(LETTER, ("lines", "*", "part"))) == [1, 1]
    assert list(values_at(LETTER, ("note",))) == [None]
