"""JSON Schemas of messages: generated from models, kept as files, one per type and version.

A file describes what is on the wire. It is published *open*: a consumer passes over what it does not
know, so that producers may add fields. What we emit ourselves is judged by its *closed* variant, which
refuses every field that the file does not name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

Json = dict[str, Any]  # a schema, or a payload: data whose shape a schema tells

DIALECT = "https://json-schema.org/draft/2020-12/schema"
WORDS = frozenset({"$schema", "$id", "$comment", "title", "description", "examples", "deprecated"})
"""Keywords that tell a reader something, and a validator nothing."""

_BY_NAME, _ONE = ("properties", "$defs"), ("items", "additionalProperties")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
"""Where a schema has schemas within it."""


Upcast = Callable[[Json], Json]


@dataclass(frozen=True, slots=True)
class MessageType:
    """A type of message, as the code has it today."""

    name: str
    version: int
    model: type[BaseModel]
    oldest_reader: int = 1
    """Consumers that know only older versions are gone."""
    upcasts: Mapping[int, Upcast] = field(default_factory=dict)
    """Steps from a version to the next, by the older one; where there is none, nothing changes."""


@dataclass(frozen=True, slots=True)
class Example:
    """A message of the golden archive; numbers with a point are Decimal, to be written as they were."""

    key: str
    headers: Mapping[str, str]
    payload: Json

    @property
    def text(self) -> str:
        """As its file has it."""
        return text_of(asdict(self))


@dataclass(frozen=True, slots=True)
class Archive:
    """A folder of what was published, `TYPE/vVERSION.json`; `base` is where each `$id` begins.

    Beside each schema lies `vVERSION.example.json`, a message of that version.
    """

    folder: Path
    base: str

    def path(self, name: str, version: int) -> Path:
        return self.folder / name / f"v{version}.json"

    def example_path(self, name: str, version: int) -> Path:
        return self.folder / name / f"v{version}.example.json"

    @property
    def digests_path(self) -> Path:
        """Says of each version what it was when it was published."""
        return self.folder / "published.json"

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

    def example(self, name: str, version: int) -> Example:
        """A message of this version as it was sent. Raises FileNotFoundError."""
        text = self.example_path(name, version).read_text(encoding="utf-8")
        return Example(**json.loads(text, parse_float=Decimal))

    def generated(self, message: MessageType) -> Json:
        """What the file of a type's present version should say."""
        id = f"{self.base}{message.name}/v{message.version}.json"
        made = message.model.model_json_schema(mode="serialization", schema_generator=_Untitled)
        first = ("title", "description", "type", "properties", "required", "$defs")
        body = {key: made.pop(key) for key in first if key in made} | made
        return {"$schema": DIALECT, "$id": id, **body}


def text_of(schema: Json) -> str:
    """A schema as its file has it."""
    return json.dumps(schema, ensure_ascii=False, indent=2, default=float) + "\n"


def validator(schema: Json) -> Draft202012Validator:
    """Judges payloads by a schema, formats included where a package for them is there."""
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)


def closed(schema: Json) -> Json:
    """Refuse what a schema does not name, at every depth."""
    return rewritten(schema, _close)


def meaning(schema: Json) -> Json:
    """A schema without its words: two with one meaning accept the same payloads.

    What a piece is called is a word, too: `$defs` are numbered as they are met.
    """
    return _with_numbered_pieces(rewritten(schema, _without_words))


def rewritten(schema: Json, rewrite: Callable[[Json], Json]) -> Json:
    """Rewrite each schema within a schema, inside out; names of fields are no keywords."""
    inner = {keyword: _each(keyword, value, rewrite) for keyword, value in schema.items()}
    return rewrite(inner)


def subschemas(schema: Json) -> list[tuple[str, Json]]:
    """Each schema within a schema and itself, by its JSON pointer."""
    found = [("", schema)]
    for keyword, value in schema.items():
        match value:
            case Mapping() if keyword in _BY_NAME:
                inner = {f"{keyword}/{name}": node for name, node in value.items()}
            case Mapping() if keyword in _ONE:
                inner = {keyword: value}
            case list() if keyword in _LISTED:
                inner = {f"{keyword}/{number}": node for number, node in enumerate(value)}
            case _:
                continue
        for place, node in inner.items():
            found += [(f"/{place}{below}", within) for below, within in subschemas(node)]
    return found


def _each(keyword: str, value: Any, rewrite: Callable[[Json], Json]) -> Any:
    match value:
        case Mapping() if keyword in _BY_NAME:
            return {name: rewritten(inner, rewrite) for name, inner in value.items()}
        case Mapping() if keyword in _ONE:
            return rewritten(dict(value), rewrite)
        case list() if keyword in _LISTED:
            return [rewritten(inner, rewrite) for inner in value]
        case _:
            return value


def _close(node: Json) -> Json:
    if node.get("type") != "object" or "additionalProperties" in node:
        return node
    return {**node, "additionalProperties": False}


def _without_words(node: Json) -> Json:
    """Leave out what is for readers, and the order of what has none."""
    kept = {keyword: value for keyword, value in node.items() if keyword not in WORDS}
    for keyword in kept.keys() & {"required", "enum"}:
        kept[keyword] = sorted(kept[keyword], key=json.dumps)
    return kept


def _with_numbered_pieces(schema: Json) -> Json:
    whole: Json = json.loads(json.dumps(schema, sort_keys=True))  # fields have no order
    pieces: Json = whole.pop("$defs", {})
    numbers: dict[str, str] = {}
    numbered: Json = {}

    def number(node: Json) -> Json:
        if "$ref" not in node:
            return node
        name = node["$ref"].removeprefix("#/$defs/")
        if name not in numbers:
            numbers[name] = str(len(numbers) + 1)  # before what is in it: it may be in itself
            numbered[numbers[name]] = rewritten(pieces[name], number)
        return {**node, "$ref": f"#/$defs/{numbers[name]}"}

    return {**rewritten(whole, number), "$defs": numbered}


class _Untitled(GenerateJsonSchema):
    """Leaves out the titles that pydantic makes of the names of fields: they say nothing new."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False
