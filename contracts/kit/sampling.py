"""Draws payloads that a schema allows, from a seeded generator: many, quickly, and at the edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from contracts.kit.schemas import WORDS, Json

_KNOWN = WORDS | set(
    "type properties required items enum const anyOf minimum maximum minItems maxItems minLength"
    " maxLength format pattern $ref $defs default additionalProperties".split()
)
_FAR = 2**63 - 1
_TEXTS = ("", "a", "João Silva", "日本語", "\u0000", "\\\"'", "a\nb", "😀" * 3, "x" * 300)


@dataclass(frozen=True, slots=True)
class Sampler:
    """Draws from one schema. Raises ValueError for a keyword that it does not know."""

    schema: Json
    random: Random
    decimals: int = 2
    """Of every number that need not be whole."""

    def draw(self, within: Json | None = None) -> Any:
        """Draw what the whole schema allows, or a schema within it."""
        node = self.schema if within is None else within
        if unknown := node.keys() - _KNOWN:
            raise ValueError(f"cannot draw what {', '.join(sorted(unknown))} allows")
        match node:
            case {"$ref": str(ref)}:
                return self.draw(self.schema["$defs"][ref.removeprefix("#/$defs/")])
            case {"const": value}:
                return value
            case {"examples": list(values), "pattern": _}:
                return self.random.choice(values)
            case {"enum": values} | {"anyOf": [{"enum": values}]}:
                return self.random.choice(values)
            case {"anyOf": choices}:
                return self.draw(self.random.choice(choices))
            case {"type": str(type)}:
                return _DRAWN[type](self, node)
            case _:
                return self.random.choice((None, 1, "anything"))

    def between(self, least: int, most: int) -> int:
        """An edge, or a number of any size: each number of digits is as likely as another."""
        if self.random.random() < 0.1:
            return self.random.choice((least, most))
        bits = self.random.randint(0, (most - least).bit_length())
        return min(most, least + self.random.getrandbits(bits))


def _object(sampler: Sampler, node: Json) -> Json:
    required = node.get("required", ())
    return {
        name: sampler.draw(inner)
        for name, inner in node.get("properties", {}).items()
        if name in required or sampler.random.random() < 0.8
    }


def _array(sampler: Sampler, node: Json) -> list[Any]:
    least = node.get("minItems", 0)
    length = sampler.random.randint(least, min(node.get("maxItems", least + 4), least + 4))
    return [sampler.draw(node.get("items", {})) for _ in range(length)]


def _integer(sampler: Sampler, node: Json) -> int:
    return sampler.between(node.get("minimum", -_FAR), node.get("maximum", _FAR))


def _number(sampler: Sampler, node: Json) -> Decimal:
    steps = 10**sampler.decimals
    least = int(Decimal(str(node.get("minimum", -_FAR))) * steps)
    most = int(Decimal(str(node.get("maximum", _FAR))) * steps)
    return Decimal(sampler.between(least, most)).scaleb(-sampler.decimals)


def _string(sampler: Sampler, node: Json) -> str:
    match node:
        case {"format": "uuid"}:
            return str(UUID(int=sampler.random.getrandbits(128), version=4))
        case {"format": "date-time"}:
            after = timedelta(microseconds=sampler.random.randrange(8_000_000_000_000_000))
            return f"{datetime(1970, 1, 1, tzinfo=UTC) + after:%Y-%m-%dT%H:%M:%S.%fZ}"
        case {"pattern": str(pattern)}:
            raise ValueError(f"cannot draw what {pattern} allows; give the field examples")
        case _:
            least, most = node.get("minLength", 0), node.get("maxLength", 300)
            return sampler.random.choice(_TEXTS)[:most].ljust(least, "x")


_DRAWN: dict[str, Callable[[Sampler, Json], Any]] = {
    "object": _object,
    "array": _array,
    "integer": _integer,
    "number": _number,
    "string": _string,
    "boolean": lambda sampler, _: sampler.random.random() < 0.5,
    "null": lambda *_: None,
}
