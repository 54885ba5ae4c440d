"""Generated changes: the checker agrees with jsonsubschema, and with payloads drawn from the writer.

jsonsubschema decides whether one schema's payloads are all another's, by canonical forms and none of
our rules. It knows draft 4, hence the few keywords here; it has no words and no places.
"""

from __future__ import annotations

import warnings
from copy import deepcopy
from random import Random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.kit.compatibility import Side, refusals
from contracts.kit.sampling import Sampler
from contracts.kit.schemas import Json, closed, rewritten, subschemas, validator

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its source has a string with an invalid escape
    from jsonsubschema import isSubschema

NAMES = ("a", "b", "c")
FEW = st.integers(0, 3)


def bounded(type: str, least: str, most: str) -> st.SearchStrategy[Json]:
    bounds = st.fixed_dictionaries({}, optional={least: FEW, most: st.integers(4, 6)})
    return bounds.map(lambda found: {"type": type, **found})


def record(fields: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    def of(properties: dict[str, Json]) -> st.SearchStrategy[Json]:
        required = st.lists(st.sampled_from(sorted(properties) or NAMES), unique=True)
        return required.map(
            lambda names: {
                "type": "object",
                "properties": properties,
                "required": [name for name in names if name in properties],
            }
        )

    return st.dictionaries(st.sampled_from(NAMES), fields, max_size=3).flatmap(of)


SIMPLE = st.one_of(
    bounded("integer", "minimum", "maximum"),
    bounded("number", "minimum", "maximum"),
    bounded("string", "minLength", "maxLength"),
    st.just({"type": "boolean"}),
    st.lists(st.sampled_from(("x", "y", "z")), min_size=1, unique=True).map(
        lambda values: {"type": "string", "enum": values}
    ),
    st.just({"$ref": "#/$defs/Piece"}),
)
FIELD = st.one_of(
    SIMPLE,
    SIMPLE.map(lambda schema: {"anyOf": [schema, {"type": "null"}]}),
    SIMPLE.map(lambda schema: {"type": "array", "items": schema}),
    record(SIMPLE),
)
PIECE = bounded("integer", "minimum", "maximum")


@st.composite
def changed(draw: st.DrawFn, schema: Json) -> Json:
    """The schema after one change, somewhere."""
    other = deepcopy(schema)
    places = [node for _, node in subschemas(other) if node.get("type") == "object"]
    node = draw(st.sampled_from(places))
    properties, required = node["properties"], node["required"]
    name = draw(st.sampled_from(NAMES))
    match draw(st.sampled_from(("drop", "put", "require", "rename", "piece"))):
        case "drop":
            properties.pop(name, None)
            node["required"] = [one for one in required if one != name]
        case "put":
            properties[name] = draw(FIELD)
        case "require" if name in required:
            required.remove(name)
        case "require" if name in properties:
            required.append(name)
        case "rename" if name in properties:
            properties["d"] = properties.pop(name)
            node["required"] = ["d" if one == name else one for one in required]
        case _:
            other["$defs"]["Piece"] = draw(PIECE)
    return other


SCHEMAS = st.tuples(record(FIELD), PIECE).map(lambda made: {**made[0], "$defs": {"Piece": made[1]}})
PAIRS = SCHEMAS.flatmap(lambda schema: st.tuples(st.just(schema), changed(schema)))


def in_draft_4(schema: Json) -> Json:
    """There, an empty list of required fields is no schema."""
    return rewritten(
        schema,
        lambda node: {name: value for name, value in node.items() if value or name != "required"},
    )


@given(PAIRS, st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_they_agree_on_every_change(pair: tuple[Json, Json], turned: bool) -> None:
    writer, reader = pair[::-1] if turned else pair

    found = refusals(Side("v1", writer), Side("v2", reader))

    takes_all = isSubschema(in_draft_4(closed(writer)), in_draft_4(reader))
    assert (not found) == bool(takes_all), f"{writer} {reader} {found}"


@given(PAIRS, st.integers())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_reader_takes_whatever_is_drawn_when_nothing_is_found(
    pair: tuple[Json, Json], seed: int
) -> None:
    writer, reader = pair
    if refusals(Side("v1", writer), Side("v2", reader)):
        return
    sampler, judge = Sampler(writer, Random(seed)), validator(reader)
    for _ in range(20):
        payload: Any = sampler.draw()
        assert judge.is_valid(payload), payload
