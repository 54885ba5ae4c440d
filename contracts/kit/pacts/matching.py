"""What a pact expects of a body: the fields that are read, each with an example and a rule.

An example is one of many: a rule says what else will do. Money of 19.90 stands for any decimal, an
enum's value for any of its values. What is None is null and nothing else, so that a field that
may be null is told in two interactions, one with a value and one without.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from pact import match as matching
from pydantic import BaseModel

from contracts.kit.pacts.reads import EACH, Path, leaves

TIME = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$"
"""RFC 3339. Pact's own rule for times refuses the offset `+00:00`."""
UUID_TEXT = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"

Body = Any  # JSON, in which matchers of pact stand for values


def expected(model: BaseModel, reads: Collection[Path] | None = None) -> Body:
    """The body that a consumer expects: of a model's fields those that are read, or all."""
    return _body(model, sorted(leaves(model) if reads is None else reads))


def like(example: str, pattern: str) -> Body:
    """Any text of this form."""
    return matching.regex(example, regex=f"^{pattern}$")


def all_like(example: Body) -> Body:
    """A list of at least one, all like the example."""
    return matching.each_like(example, min=1)


def one_of(values: Sequence[str], example: str) -> Body:
    return like(example, f"({'|'.join(map(re.escape, values))})")


def rule(value: object) -> Body:
    """An example with what else may stand in its place, by its type."""
    match value:
        case None:
            return None
        case Enum():
            return one_of([str(member.value) for member in type(value)], str(value.value))
        case bool():
            return matching.bool(value)
        case int():
            return matching.int(value)
        case Decimal():
            return matching.decimal(float(value))
        case datetime():
            text = value.astimezone(UTC).isoformat().replace("+00:00", "Z")
            return matching.regex(text, regex=TIME)
        case UUID():
            return matching.regex(str(value), regex=UUID_TEXT)
        case str():
            return matching.str(value)
        case _:
            raise TypeError(f"no rule says what is like {value!r}: add one for its type")


def _body(value: Any, reads: Sequence[Path]) -> Body:  # a field has any type
    inner = _inner(reads)
    match value:
        case BaseModel():
            fields = [name for name in type(value).model_fields if name in inner]
            return {name: _body(getattr(value, name), inner[name]) for name in fields}
        case [] | ():
            return []
        case list() | tuple():
            return all_like(_body(value[0], inner.get(EACH, ())))
        case _:
            return rule(value)


def _inner(reads: Sequence[Path]) -> dict[str, list[Path]]:
    """By their first step, what follows it."""
    inner: dict[str, list[Path]] = {}
    for first, *rest in filter(None, reads):
        inner.setdefault(first, []).append(tuple(rest))
    return inner
