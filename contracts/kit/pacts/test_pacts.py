"""A pact of what was read: its text, what a consumer is handed, and when its provider breaks it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from contracts.kit.pacts import files
from contracts.kit.pacts.messages import Expected, completed, heeded, pact_of, received
from contracts.kit.pacts.provider import BrokenPact, Sent, verify_messages


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Line(BaseModel):
    part: int
    price: Decimal


class Letter(BaseModel):
    id: int
    mark: UUID
    sent_at: datetime
    colour: Colour
    is_open: bool
    note: str | None
    lines: tuple[Line, ...]


LETTER = Letter(
    id=7,
    mark=UUID(int=1),
    sent_at=datetime(2026, 1, 31, tzinfo=UTC),
    colour=Colour.RED,
    is_open=True,
    note=None,
    lines=(Line(part=1, price=Decimal("0.50")),),
)
HEADERS = {"kind": "letter", "version": "1", "trace": str(UUID(int=2))}
GOOD: Mapping[str, Any] = {  # as another would write it, with other values
    "id": 8,
    "mark": str(UUID(int=3)),
    "sent_at": "2027-02-01T10:00:00.5+01:00",
    "colour": "blue",
    "is_open": False,
    "note": None,
    "lines": [{"part": 2, "price": 20.00, "weight": 3}, {"part": 3, "price": 1.5}],
    "more": "that nobody reads",
}


def expected(*reads: str) -> Expected:
    paths = frozenset(tuple(path.split(".")) for path in reads)
    return Expected("letters", "a letter was sent", "id", HEADERS, LETTER, paths)


ALL = expected(
    "id", "mark", "sent_at", "colour", "is_open", "note", "lines.*", "lines.*.part", "lines.*.price"
)


def test_nothing_is_reported_to_the_makers_of_pact() -> None:
    assert os.environ["PACT_DO_NOT_TRACK"] == "true"


def test_its_text_is_the_same_each_time_and_names_no_version_of_a_library() -> None:
    messages = [ALL, expected("id")]
    texts = {files.text_of(pact_of("reader", "writer", messages)) for _ in range(2)}
    assert len(texts) == 1
    content = json.loads(texts.pop())
    assert content["metadata"] == {"pactSpecification": {"version": "4.0"}}


def test_a_consumer_is_handed_what_it_reads_and_nothing_else() -> None:
    (message,) = received(pact_of("reader", "writer", [expected("id", "lines.*", "lines.*.part")]))
    assert json.loads(message.contents) == {"id": 7, "lines": [{"part": 1}]}
    assert (message.topic, message.key_field, message.headers) == ("letters", "id", HEADERS)


def test_the_rest_of_a_message_is_as_it_was() -> None:
    whole = {"a": 1, "b": {"c": 2, "d": 3}, "e": [{"f": 4, "g": 5}]}
    assert completed(whole, {"b": {"c": 6}, "e": [{"g": 7}]}) == {
        "a": 1,
        "b": {"c": 6, "d": 3},
        "e": [{"f": 4, "g": 7}],
    }


def test_a_header_counts_if_another_value_of_it_leads_elsewhere() -> None:
    assert heeded(HEADERS, lambda headers: headers["kind"]) == {"kind": "letter"}


async def verify(
    folder: Path,
    contents: Mapping[str, Any],
    *,
    key: str = "8",
    headers: Mapping[str, str] = HEADERS,
    topic: str = "letters",
) -> None:
    path = folder / files.name_of("reader", "writer")
    path.write_text(files.text_of(pact_of("reader", "writer", [ALL])), encoding="utf-8")

    async def produce(asked: str, state: str) -> Sent:
        assert (asked, state) == ("letters", "a letter was sent")
        return Sent(topic, key, headers, json.dumps(contents).encode())

    await verify_messages("writer", [path], produce)


async def test_a_provider_keeps_it_with_other_values_and_with_more(tmp_path: Path) -> None:
    await verify(tmp_path, GOOD)
    await verify(tmp_path, GOOD, headers={**HEADERS, "version": "2", "trace": str(UUID(int=5))})


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"note": "now there"}, r"\$\.note"),
        ({"colour": "green"}, r"\$\.colour"),
        ({"id": "8"}, r"\$\.id"),
        ({"is_open": "yes"}, r"\$\.is_open"),
        ({"mark": "no uuid"}, r"\$\.mark"),
        ({"sent_at": "yesterday"}, r"\$\.sent_at"),
        ({"lines": []}, r"\$\.lines"),
        ({"lines": [{"part": 2}]}, r"\$\.lines\[0\].*price"),
        ({"lines": [{"part": 2, "price": "free"}]}, r"\$\.lines\[0\]\.price"),
    ],
    ids=str,
)
async def test_a_provider_breaks_it_by_a_field(
    change: Mapping[str, Any], place: str, tmp_path: Path
) -> None:
    with pytest.raises(BrokenPact, match=place):
        await verify(tmp_path, {**GOOD, **change})


async def test_a_provider_breaks_it_by_a_field_that_is_gone(tmp_path: Path) -> None:
    without = {name: value for name, value in GOOD.items() if name != "colour"}
    with pytest.raises(BrokenPact, match=r"reader with writer, 'letters: a letter .*\n.*colour"):
        await verify(tmp_path, without)


async def test_a_provider_breaks_it_by_another_key(tmp_path: Path) -> None:
    with pytest.raises(BrokenPact, match=r"9, not \$\.id"):
        await verify(tmp_path, GOOD, key="9")


async def test_a_provider_breaks_it_by_a_header(tmp_path: Path) -> None:
    with pytest.raises(BrokenPact, match="kind"):
        await verify(tmp_path, GOOD, headers={**HEADERS, "kind": "parcel"})
    with pytest.raises(BrokenPact, match="trace"):
        await verify(tmp_path, GOOD, headers={**HEADERS, "trace": "none"})
    with pytest.raises(BrokenPact, match=r"version.* missing"):
        await verify(tmp_path, GOOD, headers={"kind": "letter", "trace": HEADERS["trace"]})


async def test_a_provider_breaks_it_by_another_topic(tmp_path: Path) -> None:
    with pytest.raises(BrokenPact, match="topic"):
        await verify(tmp_path, GOOD, topic="mail")


async def test_a_provider_that_cannot_come_to_a_state_says_why(tmp_path: Path) -> None:
    path = tmp_path / "pact.json"
    path.write_text(files.text_of(pact_of("reader", "writer", [ALL])), encoding="utf-8")

    async def produce(_topic: str, _state: str) -> Sent:
        raise AssertionError("no letter came")

    with pytest.raises(
        BrokenPact, match=r"'letters: a letter was sent':\n.*not reached: .*no letter came"
    ):
        await verify_messages("writer", [path], produce)


async def test_no_pact_at_all_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "pact.json"
    path.write_text(files.text_of(pact_of("reader", "writer", [])), encoding="utf-8")

    async def produce(_topic: str, _state: str) -> Sent:
        raise AssertionError

    with pytest.raises(BrokenPact):
        await verify_messages("writer", [path], produce)
