"""Every event type has its JSON Schema, a file that says what the model says."""

from __future__ import annotations

import pytest

from contracts.event_schemas import ARCHIVE, EVENT_TYPES
from contracts.kit.schemas import MessageType, text_of, validator

EACH = pytest.mark.parametrize("event", EVENT_TYPES, ids=lambda event: event.name)


@EACH
def test_the_file_says_what_the_model_says(event: MessageType) -> None:
    path = ARCHIVE.path(event.name, event.version)

    assert path.exists(), "run: python -m contracts write"
    same = path.read_text(encoding="utf-8") == text_of(ARCHIVE.generated(event))
    assert same, f"{path} is not what the model says; run: python -m contracts write"


@EACH
def test_each_file_is_a_schema_and_says_in_its_id_where_it_lies(event: MessageType) -> None:
    for version in ARCHIVE.versions(event.name):
        schema = ARCHIVE.schema(event.name, version)
        validator(schema)
        assert schema["$id"] == f"{ARCHIVE.base}{event.name}/v{version}.json"


def test_no_type_is_in_the_folder_that_the_code_does_not_know() -> None:
    assert ARCHIVE.names() == tuple(sorted(event.name for event in EVENT_TYPES))
