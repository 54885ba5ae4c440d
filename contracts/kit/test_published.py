"""A published version stays; of each change it is said what it breaks, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model

from contracts.kit import Incomplete
from contracts.kit.examples import example
from contracts.kit.published import files, objection, touched, unread, unreadable
from contracts.kit.schemas import Archive, Example, Json, MessageType, Upcast


class Item(BaseModel):
    name: str
    grams: int = Field(ge=1)


class Parcel(BaseModel):
    """A parcel is on its way."""

    id: int
    state: Literal["sent", "lost"]
    items: list[Item]
    note: str | None = None


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """One in which the parcel is published, as version 1."""
    made = Archive(tmp_path, base="https://example.com/")
    write(made, parcel(Parcel))
    return made


def parcel(
    model: type[BaseModel],
    version: int = 1,
    oldest_reader: int = 1,
    upcasts: Mapping[int, Upcast] | None = None,
) -> MessageType:
    return MessageType("parcel.sent", version, model, oldest_reader, upcasts or {})


def write(archive: Archive, *messages: MessageType) -> None:
    def example_of(message: MessageType) -> Example:
        return Example("1", {}, example(archive.generated(message)))

    for path, text in files(archive, messages, example_of).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def changed(**fields: Any) -> type[BaseModel]:
    """The parcel with other fields, each a type or a type and its default; None takes one away."""
    kept: dict[str, Any] = {
        name: (info.annotation, info) for name, info in Parcel.model_fields.items()
    }
    other = {
        name: field if isinstance(field, tuple) else (field, ...) for name, field in fields.items()
    }
    wanted = {name: field for name, field in (kept | other).items() if field[0] is not None}
    return create_model("Parcel", __doc__=Parcel.__doc__, **wanted)


class Light(BaseModel):
    name: str
    grams: int = Field(ge=1, le=500)


class Heavy(BaseModel):
    name: str
    grams: int


BREAKS_OLD_EVENTS = "As v2 it could not read the events of v1"
BREAKS_OLD_CONSUMERS = "Consumers of v1, which run beside it, could not read what it sends"
BREAKS_NOBODY = "It breaks nobody. Set schema_version = 2 in Parcel, run: python -m contracts write"

CHANGES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "renamed": (
        {"id": None, "number": int},
        [
            BREAKS_OLD_EVENTS,
            "/number: v1 does not have it, v2 requires it",
            BREAKS_OLD_CONSUMERS,
            "/id: v2 does not have it, v1 requires it",
        ],
    ),
    "dropped": ({"id": None}, [BREAKS_OLD_CONSUMERS, "/id: v2 does not have it, v1 requires it"]),
    "of another type": (
        {"id": str},
        [
            BREAKS_OLD_EVENTS,
            "/id: v1 sends integer, v2",
            BREAKS_OLD_CONSUMERS,
            "/id: v2 sends string",
        ],
    ),
    "with a value less": (
        {"state": Literal["sent"]},
        [BREAKS_OLD_EVENTS, '/state: v1 may send "lost", v2 does not take it'],
    ),
    "with a value more": (
        {"state": Literal["sent", "lost", "found"]},
        [BREAKS_OLD_CONSUMERS, '/state: v2 may send "found", v1 does not take it'],
    ),
    "required, and was not": (
        {"note": str},
        [
            BREAKS_OLD_EVENTS,
            "/note: v1 may leave it out, v2 requires it",
            "/note: v1 may send null",
        ],
    ),
    "added, required": (
        {"carrier": str},
        [BREAKS_OLD_EVENTS, "/carrier: v1 does not have it, v2 requires it"],
    ),
    "with a tighter bound, further in": (
        {"items": list[Light]},
        [BREAKS_OLD_EVENTS, "/items/*/grams: v1 has no maximum, v2 maximum 500"],
    ),
    "with a looser bound, further in": (
        {"items": list[Heavy]},
        [BREAKS_OLD_CONSUMERS, "/items/*/grams: v2 has no minimum, v1 minimum 1"],
    ),
}


@pytest.mark.parametrize(("fields", "says"), CHANGES.values(), ids=CHANGES)
def test_a_change_that_breaks_something_says_what_and_where(
    archive: Archive, fields: dict[str, Any], says: list[str]
) -> None:
    text = objection(archive, parcel(changed(**fields))) or ""

    assert [line for line in says if line not in text] == []
    assert (BREAKS_OLD_EVENTS in text) == (BREAKS_OLD_EVENTS in says)
    assert (BREAKS_OLD_CONSUMERS in text) == (BREAKS_OLD_CONSUMERS in says)
    with pytest.raises(Incomplete):
        write(archive, parcel(changed(**fields)))


class WithCarrier(Parcel):
    """A parcel is on its way."""

    model_config = ConfigDict(title="Parcel")
    carrier: str = "Post"


def test_a_change_that_breaks_nobody_wants_a_new_version_and_no_more(archive: Archive) -> None:
    objected = objection(archive, parcel(WithCarrier)) or ""
    assert "It breaks nobody. Set schema_version = 2" in objected

    second = parcel(WithCarrier, version=2)
    write(archive, second)

    assert archive.versions("parcel.sent") == (1, 2)
    assert (unread(archive, second), unreadable(archive, second), touched(archive)) == ([], [], [])


def test_words_may_change_within_a_version(archive: Archive) -> None:
    class Reworded(Parcel):
        """A parcel left."""

    assert objection(archive, parcel(Reworded)) is None
    write(archive, parcel(Reworded))

    assert archive.schema("parcel.sent", 1)["description"] == "A parcel left."
    assert touched(archive) == []


@pytest.mark.parametrize("version", [0, 3])
def test_a_version_rises_by_one(archive: Archive, version: int) -> None:
    assert "a version rises by one, and never goes back" in str(
        objection(archive, parcel(Parcel, version))
    )


class Even(BaseModel):
    grams: int = Field(multiple_of=2)


@pytest.mark.parametrize("name", ["parcel.sent", "parcel.lost"])
def test_no_version_is_published_with_a_keyword_that_nobody_judges(
    archive: Archive, name: str
) -> None:
    unjudged = f"{name}: v1, /properties/grams: there is no rule for multipleOf"

    assert str(objection(archive, MessageType(name, 1, Even))).startswith(unjudged)


def grams_become_weight(payload: Json) -> Json:
    items = [{"name": item["name"], "weight": item["grams"]} for item in payload["items"]]
    return {**payload, "items": items}


class Weighed(BaseModel):
    name: str
    weight: int


Renamed = changed(items=list[Weighed])


def test_a_step_makes_old_events_readable(archive: Archive) -> None:
    write(archive, second := parcel(Renamed, 2))
    assert unread(archive, second) == [
        "v2 cannot read what v1 sent: /items/*/weight: v1 does not have it, v2 requires it"
    ]

    assert unread(archive, parcel(Renamed, 2, upcasts={1: grams_become_weight})) == []


def test_a_step_that_does_not_is_found_by_trying_it(archive: Archive) -> None:
    write(archive, parcel(Renamed, 2))
    forgetful = parcel(Renamed, 2, upcasts={1: lambda payload: {**payload, "items": [{}]}})

    assert "'weight' is a required property" in "\n".join(unread(archive, forgetful))


def test_a_consumer_that_is_gone_needs_to_read_nothing(archive: Archive) -> None:
    write(archive, second := parcel(Renamed, 2))
    (found,) = unreadable(archive, second)
    assert found.startswith(
        "a consumer of v1 cannot read what v2 sends: /items/*/grams: v2 does not"
    )

    assert unreadable(archive, parcel(Renamed, 2, oldest_reader=2)) == []


def test_a_name_that_comes_back_as_something_else_is_compared_with_what_it_was(
    archive: Archive,
) -> None:
    write(archive, parcel(changed(note=None), 2))
    write(archive, third := parcel(changed(note=(int, 0)), 3))

    assert unread(archive, third) == [
        "v3 cannot read what v1 sent: /note: v1 sends string, v3 takes only integer",
        "v3 cannot read what v1 sent: /note: v1 may send null, v3 does not take it",
    ]


@pytest.mark.parametrize("which", ["path", "example_path"])
@pytest.mark.parametrize("gone", [True, False])
def test_what_was_published_and_then_touched_is_named(
    archive: Archive, which: str, gone: bool
) -> None:
    path: Path = getattr(archive, which)("parcel.sent", 1)
    if gone:
        path.unlink()
    else:
        path.write_text(
            path.read_text(encoding="utf-8").replace("name", "naming"), encoding="utf-8"
        )

    assert touched(archive) == ["parcel.sent/v1"]


def test_a_search_and_replace_over_model_and_files_is_found(archive: Archive) -> None:
    for path in (archive.path("parcel.sent", 1), archive.example_path("parcel.sent", 1)):
        path.write_text(
            path.read_text(encoding="utf-8").replace('"id"', '"number"'), encoding="utf-8"
        )
    renamed = parcel(changed(id=None, number=int))

    write(archive, renamed)

    assert touched(archive) == ["parcel.sent/v1"]
