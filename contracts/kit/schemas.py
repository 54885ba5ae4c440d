"""JSON Schemas of messages: generated from models, kept as files, one per type and version.

A file describes what is on the wire. It is published *open*: a consumer passes over what it does not
know, so that producers may add fields. What we emit ourselves is judged by its *closed* variant, which
refuses every field that the file does not name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

Json = dict[str, Any]  # a schema, or a payload: data whose shape a schema tells

DIALECT = "https://json-schema.org/draft/2020-12/schema"
WORDS = frozenset({"$schema", "$id", "$comment", "title", "description", "examples", "deprecated"})
"""Keywords that tell a reader something, and a validator nothing."""


@dataclass(frozen=True, slots=True)
class MessageType:
    """A type of message, as the code has it today."""

    name: str
    version: int
    model: type[BaseModel]


@dataclass(frozen=True, slots=True)
class Archive:
    """A folder of published schemas, `TYPE/vVERSION.json`; `base` is where their `$id` begins."""

    folder: Path
    base: str

    def path(self, name: str, version: int) -> Path:
        return self.folder / name / f"v{version}.json"

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(place.name for place in self.folder.iterdir() if place.is_dir()))

    def versions(self, name: str) -> tuple[int, ...]:
        """From the oldest on; none for a type that was never published."""
        found = (re.fullmatch(r"v([0-9]+)\.json", p.name) for p in self.folder.glob(f"{name}/*"))
        return tuple(sorted(int(match[1]) for match in found if match))

    def schema(self, name: str, version: int) -> Json:
        """The published schema, which is open. Raises FileNotFoundError for one that is not there."""
        found: Json = json.loads(self.path(name, version).read_text(encoding="utf-8"))
        return found

    def closed(self, name: str, version: int) -> Json:
        """The same schema, for judging what we emit ourselves."""
        return closed(self.schema(name, version))

    def generated(self, message: MessageType) -> Json:
        """What the file of a type's present version should say."""
        id = f"{self.base}{message.name}/v{message.version}.json"
        made = message.model.model_json_schema(mode="serialization", schema_generator=_Untitled)
        first = ("title", "description", "type", "properties", "required", "$defs")
        body = {key: made.pop(key) for key in first if key in made} | made
        return {"$schema": DIALECT, "$id": id, **body}


def text_of(schema: Json) -> str:
    """A schema as its file has it."""
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def validator(schema: Json) -> Draft202012Validator:
    """Judges payloads by a schema, formats included where a package for them is there."""
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def closed(schema: Json) -> Json:
    """Refuse what a schema does not name, at every depth."""
    return rewritten(schema, _close)


def meaning(schema: Json) -> Json:
    """A schema without its words: two with one meaning accept the same payloads."""
    return rewritten(schema, lambda node: {k: v for k, v in node.items() if k not in WORDS})


def rewritten(schema: Json, rewrite: Callable[[Json], Json]) -> Json:
    """Rewrite each schema within a schema, inside out; names of fields are no keywords."""
    return rewrite({keyword: _within(keyword, value, rewrite) for keyword, value in schema.items()})


def _within(keyword: str, value: Any, rewrite: Callable[[Json], Json]) -> Any:
    match value:
        case Mapping() if keyword in ("properties", "$defs"):
            return {name: rewritten(inner, rewrite) for name, inner in value.items()}
        case Mapping() if keyword in ("items", "additionalProperties"):
            return rewritten(dict(value), rewrite)
        case list() if keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
            return [rewritten(inner, rewrite) for inner in value]
        case _:
            return value


def _close(node: Json) -> Json:
    if node.get("type") != "object" or "additionalProperties" in node:
        return node
    return {**node, "additionalProperties": False}


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes of the names of fields: they say nothing new."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False
