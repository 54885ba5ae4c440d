"""What every event type says in each version is published, stays, and is read by old and new code.

`docs/events.md` says what may change, and how.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast, get_args

import pytest
from pydantic import BaseModel

from contracts import conftest, event_archive
from contracts.event_schemas import ARCHIVE, EVENT_TYPES
from contracts.kit.published import objection, touched, unread, unreadable
from contracts.kit.schemas import MessageType, closed, text_of, validator

EACH = pytest.mark.parametrize("event", EVENT_TYPES, ids=lambda event: event.name)
WRITE = "run: python -m contracts write"


@EACH
def test_a_published_version_says_what_its_model_says(event: MessageType) -> None:
    assert (objected := objection(ARCHIVE, event)) is None, objected
    path = ARCHIVE.path(event.name, event.version)
    assert path.exists(), f"{event.name} v{event.version} is not written yet; {WRITE}"
    written = path.read_text(encoding="utf-8") == text_of(ARCHIVE.generated(event))
    assert written, f"words of {event.name} changed, no more than that; {WRITE}"


@EACH
def test_events_of_every_older_version_can_be_read(event: MessageType) -> None:
    assert (found := unread(ARCHIVE, event)) == [], "\n".join(found)


@EACH
def test_consumers_of_every_older_version_can_read_what_is_sent(event: MessageType) -> None:
    assert (found := unreadable(ARCHIVE, event)) == [], "\n".join(found)


def test_no_published_version_was_touched() -> None:
    assert touched(ARCHIVE) == [], (
        "what was published never changes: restore schema and example of these versions; if one has"
        f" never left your branch, delete its line in {ARCHIVE.digests_path.name}, and {WRITE}"
    )


def test_no_type_is_in_the_folder_that_the_code_does_not_know() -> None:
    gone = set(ARCHIVE.names()) - {event.name for event in EVENT_TYPES}
    assert not gone, (
        f"{', '.join(sorted(gone))}: the log keeps events of a type for ever, so a type that was"
        " published stays in EVENTS"
    )


@EACH
def test_each_version_is_a_schema_with_an_example_of_it(event: MessageType) -> None:
    for version in ARCHIVE.versions(event.name):
        assert ARCHIVE.schema(event.name, version)["$id"].endswith(f"{event.name}/v{version}.json")
        example = ARCHIVE.example(event.name, version)
        validator(ARCHIVE.closed(event.name, version)).validate(example.payload)
        assert example.headers["event-type"] == event.name
        assert example.headers["schema-version"] == str(version)


def named_otherwise(model: type[BaseModel], place: str = "") -> Iterator[str]:
    """Fields that the wire has under another name than the code, at every depth."""
    for name, field in model.model_fields.items():
        names = {field.alias, field.validation_alias, field.serialization_alias} - {None, name}
        yield from (f"{place}{name} as {other}" for other in names)
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from named_otherwise(kind, f"{place}{name}.")


@EACH
def test_a_field_is_called_in_the_code_as_on_the_wire(event: MessageType) -> None:
    """Two names that are swapped leave the schema as it is, and every old event is misread."""
    assert list(named_otherwise(event.model)) == []


@EACH
def test_an_example_can_be_made_of_any_schema(event: MessageType) -> None:
    example = event_archive.example_of(event)

    validator(closed(ARCHIVE.generated(event))).validate(example.payload)


def test_what_is_in_the_way_is_said_even_where_no_test_can_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ahead = replace(EVENT_TYPES[0], version=9)
    monkeypatch.setattr(event_archive, "EVENT_TYPES", (ahead,))
    for outcome, said in (("failed", 1), ("passed", 0)):
        report = pytest.CollectReport("test_pacts.py", cast("Any", outcome), None, [])  # a Literal
        hook = conftest.pytest_make_collect_report()
        next(hook)
        with pytest.raises(StopIteration):
            hook.send(report)
        texts = [text for _, text in report.sections if f"{ahead.name} v9 in the code" in text]
        assert len(texts) == said
