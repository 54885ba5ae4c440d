"""A published schema is open, its closed variant is not, and words are no part of its meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from contracts.kit.schemas import Archive, MessageType, closed, meaning, text_of, validator


class Leaf(BaseModel):
    """One leaf."""

    title: str


class Tree(BaseModel):
    """A tree."""

    height: int
    leaves: list[Leaf]
    crown: Leaf | None = None


OAK: dict[str, Any] = {"height": 12, "leaves": [{"title": "a"}], "crown": {"title": "b"}}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path, base="https://example.com/")


@pytest.fixture
def schema(archive: Archive) -> dict[str, Any]:
    return archive.generated(MessageType("tree.grew", 3, Tree))


def test_it_has_an_id_a_title_and_its_docstring(schema: dict[str, Any]) -> None:
    assert schema["$id"] == "https://example.com/tree.grew/v3.json"
    assert (schema["title"], schema["description"]) == ("Tree", "A tree.")


@pytest.mark.parametrize(
    "unknown",
    [
        {**OAK, "age": 300},
        {**OAK, "leaves": [{"title": "a", "age": 1}]},
        {**OAK, "crown": {"title": "b", "age": 1}},
    ],
    ids=["at the top", "in a list", "behind a choice"],
)
def test_a_field_that_is_unknown_is_passed_over_and_refused_by_the_closed_variant(
    schema: dict[str, Any], unknown: dict[str, Any]
) -> None:
    assert validator(closed(schema)).is_valid(OAK)
    assert validator(schema).is_valid(unknown)
    assert not validator(closed(schema)).is_valid(unknown)


def test_a_field_may_have_the_name_of_a_keyword(schema: dict[str, Any]) -> None:
    (leaf,) = meaning(schema)["$defs"].values()
    assert "title" in leaf["properties"]
    assert "title" not in leaf


class Blade(BaseModel):
    """The same as a leaf, under another name."""

    title: str


class Palm(BaseModel):
    crown: Blade | None = None
    leaves: list[Blade]
    height: int


class Fir(BaseModel):
    height: int
    leaves: list[Leaf]
    crown: Tree | None = None


class Branch(BaseModel):
    branches: list[Branch]


class Bough(BaseModel):
    branches: list[Bough]


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [(Tree, Palm, True), (Tree, Fir, False), (Branch, Bough, True), (Branch, Tree, False)],
)
def test_what_a_class_is_called_means_nothing(
    archive: Archive, one: type[BaseModel], other: type[BaseModel], are_one: bool
) -> None:
    first, second = (
        meaning(archive.generated(MessageType("tree.grew", 3, model))) for model in (one, other)
    )
    assert (first == second) is are_one


def test_it_is_read_back_by_type_and_version(archive: Archive, schema: dict[str, Any]) -> None:
    for version in (10, 9):
        path = archive.path("tree.grew", version)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text_of({**schema, "title": f"Tree {version}"}), encoding="utf-8")

    assert archive.names() == ("tree.grew",)
    assert archive.versions("tree.grew") == (9, 10)
    assert archive.versions("tree.fell") == ()
    assert archive.schema("tree.grew", 9)["title"] == "Tree 9"
    assert archive.closed("tree.grew", 9)["additionalProperties"] is False
