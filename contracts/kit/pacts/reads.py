"""Records which fields of a model are read, by standing in for it.

    reads: set[Path] = set()
    order = recorded(Order(id=3, items=(Item(product_id=2, quantity=1),)), reads)
    sum(item.quantity for item in order.items)
    assert reads == {("items", "*"), ("items", "*", "quantity")}

A property or method of the model's own class runs on the stand-in, so what it reads is recorded,
too. Whoever takes the model as a whole (compares it, dumps it, iterates over it) reads all of it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import MethodType
from typing import Any, get_args

from pydantic import BaseModel

Path = tuple[str, ...]
"""From field to field; `EACH` stands for every element of a list."""
EACH = "*"


def recorded(value: Any, reads: set[Path], at: Path = ()) -> Any:  # a field has any type
    """The value, or what stands in for it and adds to `reads` whatever is read of it."""
    match value:
        case BaseModel():
            return _Recorder(value, reads, at)
        case list() | tuple():
            reads.add((*at, EACH))
            return type(value)(recorded(each, reads, (*at, EACH)) for each in value)
        case _:
            reads.add(at)
            return value


def leaves(value: Any, at: Path = ()) -> Iterator[Path]:  # a field has any type
    """Every path of a value: what is read of it as a whole."""
    match value:
        case BaseModel():
            for name in type(value).model_fields:
                yield from leaves(getattr(value, name), (*at, name))
        case list() | tuple():
            yield (*at, EACH)
            for each in value:
                yield from leaves(each, (*at, EACH))
        case _:
            yield at


def may_be_null(model: type[BaseModel], path: Path) -> bool:
    """Whether the field at the path allows None, by its annotation."""
    hint: Any = model  # a type, or a form of one
    for name in path:
        inner = [kind for kind in _kinds(hint) if hasattr(kind, "model_fields")]
        if name != EACH and inner:
            hint = inner[0].model_fields[name].annotation
    return path[-1] != EACH and type(None) in _kinds(hint)


def values_at(value: Any, path: Path) -> Iterator[Any]:  # a field has any type
    """What lies at a path: one value, or one for each element of the lists on the way."""
    if not path:
        yield value
        return
    first, *rest = path
    for inner in value if first == EACH else [getattr(value, first)]:
        yield from values_at(inner, tuple(rest))


def _kinds(hint: Any) -> list[Any]:  # a type, or a form of one
    """All types that a hint names: of `tuple[Item, ...] | None` tuple, Item and None."""
    return [hint, *(kind for inner in get_args(hint) for kind in _kinds(inner))]


class _Recorder:
    __slots__ = ("_at", "_model", "_reads")

    def __init__(self, model: BaseModel, reads: set[Path], at: Path) -> None:
        self._model = model
        self._reads = reads
        self._at = at

    @property  # type: ignore[misc]  # `isinstance` asks for it, and shall see the model's class
    def __class__(self) -> type[BaseModel]:  # type: ignore[override]
        return type(self._model)

    def __getattr__(self, name: str) -> Any:  # a field has any type
        model = type(self._model)
        if name in model.model_fields:
            return recorded(getattr(self._model, name), self._reads, (*self._at, name))
        attribute = inspect.getattr_static(model, name, None)  # a field that is gone is not there
        if hasattr(BaseModel, name):
            return getattr(self._whole(), name)
        if isinstance(attribute, property) and attribute.fget is not None:
            return attribute.fget(self)
        if inspect.isfunction(attribute):
            return MethodType(attribute, self)
        return getattr(self._model, name)

    def _whole(self) -> BaseModel:
        self._reads.update(leaves(self._model, self._at))
        return self._model

    def __eq__(self, other: object) -> bool:
        return self._whole() == (other._whole() if type(other) is _Recorder else other)

    def __hash__(self) -> int:
        return hash(self._whole())

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self._whole())

    def __repr__(self) -> str:
        return repr(self._whole())
