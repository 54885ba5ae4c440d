"""Says what a writer by one schema may send that a reader by another refuses.

The writer is taken as closed and the reader as open, as both are here: what we emit has no field that
its schema does not name, and a consumer passes over what it does not know. Then a new optional field
breaks neither side. (A registry that takes old writers as open must refuse it: they might have sent
anything under that name. That a name comes back with another type is found all the same, because
every version is compared with every older one.)

- *backward*: the old version writes, the new one reads;
- *forward*: the new version writes, the old one reads.

A keyword that is not in the list here raises Unjudged: what nobody judged is no pass. Where a value may
be several things, each must be wholly within one that the reader takes; a reader that covers it
by two together is refused, although it need not be.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, inf
from typing import Any

from jsonschema import Draft202012Validator

from contracts.kit.schemas import WORDS, Json, subschemas

_OF_TYPE = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"minLength", "maxLength", "pattern", "format"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "integer": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
    "boolean": set[str](),
    "null": set[str](),
}
_WIDER = {"integer": ("integer", "number")}
_ANYWHERE = WORDS | {"default", "$defs"}


class Unjudged(ValueError):
    """A schema uses a keyword, or a combination, that has no rule here."""


@dataclass(frozen=True, slots=True)
class Side:
    """A schema, and what to call it in a sentence."""

    name: str
    schema: Json


@dataclass(frozen=True, slots=True)
class Finding:
    """One way in which a reader refuses what a writer sends."""

    place: str
    """JSON pointer into the payload; `*` stands for every item, and every field without a name."""
    reason: str

    def __str__(self) -> str:
        return f"{self.place or '/'}: {self.reason}"


def refusals(writer: Side, reader: Side) -> list[Finding]:
    """What the reader refuses of all that the writer may send. Raises Unjudged."""
    for side in (writer, reader):
        for place, node in subschemas(side.schema):
            list(_branches(node, side, place))
    return list(_Comparison(writer, reader).of(writer.schema, reader.schema, ""))


@dataclass(slots=True)
class _Comparison:
    writer: Side
    reader: Side
    begun: list[tuple[Any, Any]] = field(default_factory=list)
    """Pairs of references that are being compared: a type within itself is met again."""

    def of(self, written: Json, read: Json, place: str) -> Iterator[Finding]:
        pair = (written.get("$ref"), read.get("$ref"))
        if None not in pair and pair in self.begun:
            return
        self.begun.append(pair)
        takes = list(_branches(read, self.reader, place))
        for branch in _branches(written, self.writer, place):
            yield from self._branch(branch, takes, place)
        self.begun.pop()

    def _branch(self, sent: Json, takes: Sequence[Json], place: str) -> Iterator[Finding]:
        if "enum" in sent:
            yield from self._values(sent["enum"], takes, place)
            return
        fitting = [one for one in takes if _has_type_of(sent, one)]
        if not fitting:
            types = _listed(one.get("type") or _text(one["enum"]) for one in takes)
            sends = f"{self.writer.name} sends {sent.get('type', 'anything')}"
            yield Finding(place, f"{sends}, {self.reader.name} takes only {types}")
            return
        yield from min((list(self._same_type(sent, one, place)) for one in fitting), key=len)

    def _values(
        self, values: Iterable[object], takes: Sequence[Json], place: str
    ) -> Iterator[Finding]:
        definitions = {"$defs": self.reader.schema.get("$defs", {})}
        judges = [Draft202012Validator({**one, **definitions}) for one in takes]
        for value in values:
            if not any(judge.is_valid(value) for judge in judges):
                sends = f"{self.writer.name} may send {_text(value)}"
                yield Finding(place, f"{sends}, {self.reader.name} does not take it")

    def _same_type(self, sent: Json, taken: Json, place: str) -> Iterator[Finding]:
        match taken.get("type"):
            case "object":
                yield from self._object(sent, taken, place)
            case "array":
                yield from self._bounds(sent, taken, place, "Items")
                yield from self.of(sent.get("items", {}), taken.get("items", {}), f"{place}/*")
            case "string":
                yield from self._bounds(sent, taken, place, "Length")
                yield from self._alike(sent, taken, place)
            case "number" | "integer":
                yield from self._range(sent, taken, place)

    def _object(self, sent: Json, taken: Json, place: str) -> Iterator[Finding]:
        names, known = sent.get("properties", {}), taken.get("properties", {})
        others, unknown = sent.get("additionalProperties"), taken.get("additionalProperties")
        for name in taken.get("required", ()):
            if name in sent.get("required", ()):
                continue
            lacks = "may leave it out" if name in names else "does not have it"
            reason = f"{self.writer.name} {lacks}, {self.reader.name} requires it"
            yield Finding(f"{place}/{_escaped(name)}", reason)
        for name, inner in names.items():
            yield from self._field(inner, known.get(name, unknown), f"{place}/{_escaped(name)}")
        if others not in (None, False):
            for name in known.keys() - names.keys():
                yield from self._field(others, known[name], f"{place}/{_escaped(name)}")
            yield from self._field(others, unknown, f"{place}/*")

    def _field(self, sent: Any, taken: Any, place: str) -> Iterator[Finding]:
        """Either side may be a schema, or True, False or None as `additionalProperties` may."""
        if taken is False:
            reason = (
                f"{self.writer.name} sends it, {self.reader.name} refuses what it does not know"
            )
            yield Finding(place, reason)
        elif taken not in (None, True):
            yield from self.of({} if sent is True else sent, taken, place)

    def _bounds(self, sent: Json, taken: Json, place: str, what: str) -> Iterator[Finding]:
        for keyword, none, sign in ((f"min{what}", 0, 1), (f"max{what}", inf, -1)):
            sends, takes = sent.get(keyword, none), taken.get(keyword, none)
            if sign * sends < sign * takes:
                yield self._loosened(place, keyword, sent, takes)

    def _range(self, sent: Json, taken: Json, place: str) -> Iterator[Finding]:
        for keyword, sign in (("minimum", 1), ("maximum", -1)):
            if _edge(sent, keyword, sign) < _edge(taken, keyword, sign):
                bound = _edge(taken, keyword, sign)
                beyond = " (not itself)" if bound[1] else ""
                yield self._loosened(place, keyword, sent, f"{sign * bound[0]}{beyond}")

    def _loosened(self, place: str, keyword: str, sent: Json, takes: object) -> Finding:
        has = f"has {keyword} {sent[keyword]}" if keyword in sent else f"has no {keyword}"
        return Finding(place, f"{self.writer.name} {has}, {self.reader.name} {keyword} {takes}")

    def _alike(self, sent: Json, taken: Json, place: str) -> Iterator[Finding]:
        for keyword in ("pattern", "format"):
            if taken.get(keyword, sent.get(keyword)) != sent.get(keyword):
                has = f"has {keyword} {sent[keyword]}" if keyword in sent else f"has no {keyword}"
                reason = f"{self.writer.name} {has}, {self.reader.name} {keyword} {taken[keyword]}"
                yield Finding(place, reason)


def _branches(node: Json, side: Side, place: str) -> Iterator[Json]:
    """The things that a value may be: each of one type, or a list of values. Raises Unjudged."""
    match node:
        case {"$ref": str(ref), **rest} if ref.startswith("#/$defs/"):
            _known(rest, set(), side, place)
            yield from _branches(side.schema["$defs"][ref.removeprefix("#/$defs/")], side, place)
        case {"anyOf": list(choices), **rest}:
            _known(rest, set(), side, place)
            for choice in choices:
                yield from _branches(choice, side, place)
        case {"const": value, **rest}:
            _known(rest, {"type"}, side, place)
            yield {"enum": [value]}
        case {"enum": values, **rest}:
            _known(rest, {"type"}, side, place)
            yield {"enum": values}
        case {"type": list(types), **rest}:
            for type in types:
                yield from _branches({"type": type, **rest}, side, place)
        case {"type": "boolean", **rest}:
            _known(rest, set(), side, place)
            yield {"enum": [False, True]}
        case {"type": "null", **rest}:
            _known(rest, set(), side, place)
            yield {"enum": [None]}
        case {"type": str(type), **rest}:
            _known(rest, _OF_TYPE[type], side, place)
            yield node
        case _:
            _known(node, set(), side, place)
            yield {}


def _known(keywords: Iterable[str], known: set[str], side: Side, place: str) -> None:
    if unknown := sorted(set(keywords) - known - _ANYWHERE):
        raise Unjudged(
            f"{side.name}, {place or '/'}: there is no rule for {', '.join(unknown)} here"
        )


def _has_type_of(sent: Json, taken: Json) -> bool:
    """An empty schema takes everything; a list of values is never all of a type."""
    type = sent.get("type")
    return not taken or (type is not None and taken.get("type") in _WIDER.get(type, (type,)))


def _edge(node: Json, keyword: str, sign: int) -> tuple[float, bool]:
    """The bound on one side, larger where it is tighter; and whether it is beyond the bound itself.

    For whole numbers `exclusiveMinimum: 0` is `minimum: 1`.
    """
    exclusive = f"exclusive{keyword.capitalize()}"
    edges = [(sign * node[keyword], False)] if keyword in node else []
    edges += [(sign * node[exclusive], True)] if exclusive in node else []
    if node["type"] == "integer":
        edges = [(floor(edge) + 1 if beyond else ceil(edge), False) for edge, beyond in edges]
    return max(edges, default=(-inf, False))


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _listed(types: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(types)) or "nothing"
