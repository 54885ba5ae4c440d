"""Builds a model from a published schema: what a consumer had that knew no later version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import reduce
from operator import or_
from types import GenericAlias
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field, create_model

from contracts.kit.schemas import Json

_SIMPLE: Mapping[str, Any] = {
    "integer": int,
    "number": Decimal,
    "boolean": bool,
    "null": None,
}
_FORMATS = {"uuid": UUID, "date-time": datetime}
_BOUNDS = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
}


def model_of(schema: Json, base: type[BaseModel] = BaseModel) -> type[BaseModel]:
    """A model on top of `base` that reads what the schema describes, and passes over the rest."""
    return _Built(schema).object(schema, base)


class _Built:
    def __init__(self, root: Json) -> None:
        self._root = root
        self._named: dict[str, Any] = {}
        """What was built of `$defs`: each is one type, wherever it stands."""

    def object(self, node: Json, base: type[BaseModel]) -> type[BaseModel]:
        required = node.get("required", ())
        fields: Any = {
            name: (self._type(inner), ... if name in required else inner.get("default"))
            for name, inner in node.get("properties", {}).items()
            if name not in base.model_fields
        }
        return create_model(node.get("title", "Read"), __base__=base, **fields)

    def _type(self, node: Json) -> Any:
        bounds = {_BOUNDS[keyword]: node[keyword] for keyword in node.keys() & _BOUNDS.keys()}
        found = self._unbounded(node)
        return Annotated[found, Field(**bounds)] if bounds else found

    def _unbounded(self, node: Json) -> Any:
        match node:
            case {"$ref": str(ref)}:
                return self._of_name(ref.removeprefix("#/$defs/"))
            case {"anyOf": choices}:
                return reduce(or_, (self._type(choice) for choice in choices))
            case {"enum": values}:
                return StrEnum(node.get("title", "Value"), {str(value): value for value in values})
            case {"type": "object", "properties": _}:
                return self.object(node, BaseModel)
            case {"type": "array"}:
                return GenericAlias(tuple, (self._type(node.get("items", {})), ...))
            case {"type": "string"}:
                return _FORMATS.get(node.get("format", ""), str)
            case _:
                return _SIMPLE.get(node.get("type", ""), Any)

    def _of_name(self, name: str) -> Any:
        if name not in self._named:
            self._named[name] = self._type(self._root["$defs"][name])
        return self._named[name]
