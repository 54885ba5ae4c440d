"""Values that cross a boundary: money, whole numbers, times; and the one way to write and read JSON.

Money is integer cents in the store, Decimal inside, a JSON number with two decimals outside.
Times are RFC 3339 in UTC with microseconds. pydantic's own strict mode refuses `2.0` as an
integer and its lax mode takes `"2"`: the annotated types here hold the middle, once.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, NoReturn
from uuid import UUID

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

ID_MAX = 2**63 - 1
PRICE_MAX = Decimal("9999999999.99")
TOTAL_MAX = Decimal(92_233_720_368_547_744)
"""What 63 bits of cents hold, down to the next number that a float holds, too."""

_CENT = Decimal("0.01")
_DIGITS_MAX = 40
_WHOLE_MAX = 10**_DIGITS_MAX


def cents(amount: Decimal) -> int:
    return int(amount * 100)


def from_cents(amount: int) -> Decimal:
    return Decimal(amount).scaleb(-2)


def _whole(value: object) -> object:
    """Take `2` and `2.0`; leave the word about anything else to the integer's own check."""
    if type(value) is int and -_WHOLE_MAX <= value <= _WHOLE_MAX:
        return value  # nearly all are; an order has sixteen of them, and this is half of its check
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise PydanticCustomError("int_type", "must be a whole JSON number")
    if not -_WHOLE_MAX <= value <= _WHOLE_MAX:  # before int(): 1E+999999999 would fill the memory
        raise PydanticCustomError("int_range", "is out of range")
    if value != int(value):
        raise PydanticCustomError("int_type", "must be a whole number")
    return int(value)


def _money(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise PydanticCustomError("money_type", "must be a JSON number")
    amount = Decimal(value)
    if not 0 <= amount <= TOTAL_MAX:
        raise PydanticCustomError("money_range", "is out of range")
    rounded = amount.quantize(_CENT)
    if rounded != amount:
        raise PydanticCustomError("money_decimals", "must not have more than two decimals")
    return rounded + 0  # so that -0.0 is the zero that the store gives back


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise PydanticCustomError("time_zone", "must have a time zone")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("time_range", "is out of range") from None


@lru_cache(maxsize=16)  # all that one transaction writes has its one time
def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, with microseconds always: `2026-01-31T08:00:00.000000Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def _amount_up_to(maximum: Decimal) -> dict[str, Any]:  # a JSON Schema
    """Say in words what `multipleOf` cannot: 19.99 / 0.01 is 1998.9999999999998 in floats.

    So validators that compute with floats would refuse every seventh amount.
    """
    return {
        "type": "number",
        "minimum": 0,
        "maximum": float(maximum),
        "description": "At most two decimals.",
    }


WHOLE = BeforeValidator(_whole)
"""Goes last in an Annotated[int, …], so that bounds stay the integer's own, also in JSON Schema."""
Whole = Annotated[int, WHOLE]
Id = Annotated[int, Field(ge=1, le=ID_MAX), WHOLE]
Version = Annotated[int, Field(ge=0, le=ID_MAX), WHOLE]
Money = Annotated[Decimal, BeforeValidator(_money), WithJsonSchema(_amount_up_to(TOTAL_MAX))]
Price = Annotated[Money, Field(le=PRICE_MAX), WithJsonSchema(_amount_up_to(PRICE_MAX))]
_TIME_SCHEMA = WithJsonSchema(
    {
        "type": "string",
        "format": "date-time",
        "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$",
    }
)
_UUID_SCHEMA = WithJsonSchema(
    {
        "type": "string",
        "format": "uuid",
        "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
    }
)
"""These two have a pattern, too, because a validator need not look at a format."""
Time = Annotated[
    datetime, AfterValidator(_utc), PlainSerializer(timestamp, when_used="json"), _TIME_SCHEMA
]
Uuid = Annotated[UUID, _UUID_SCHEMA]
TimeText = Annotated[str, _TIME_SCHEMA]
UuidText = Annotated[str, _UUID_SCHEMA]
"""The same in headers, which are text already."""


def _to_json(value: object) -> object:
    match value:
        case Decimal():
            return orjson.Fragment(f"{value:.2f}")
        case datetime():
            return timestamp(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form")


def dumps(value: object) -> bytes:
    """Compact UTF-8 JSON; the same value gives the same bytes."""
    return orjson.dumps(value, default=_to_json, option=orjson.OPT_PASSTHROUGH_DATETIME)


def loads(text: bytes) -> Any:  # the shape is for a model to check
    """Parse strict JSON; numbers with a point become Decimal, exactly.

    Raises ValueError for malformed text, NaN, repeated names and absurd nesting.
    """
    try:
        return _STRICT.decode(text.decode("utf-8"))
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None


def _parse_decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:  # an exponent beyond all bounds
        raise ValueError("a number is out of range") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object names a member twice")
    return members


_STRICT = json.JSONDecoder(
    parse_float=_parse_decimal,
    parse_constant=_no_constant,
    object_pairs_hook=_unique,
)
