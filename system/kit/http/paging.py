"""Lists in pages, by key: each row there when the walk began, and not deleted since, comes once.

A page's `next` is a cursor, the id of its last row. Rows that come or go meanwhile shift nothing.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from system.kit.http.bodies import DIGITS, Query
from system.kit.turns import in_turns
from system.kit.values import dumps

LIMIT_MAX = 500
LIMIT_DEFAULT = 50

R = TypeVar("R")

_CURSOR = "^[A-Za-f][A-Za-z0-9_-]{9}[AEIMQUYcgkosw048]$"
"""Exactly the 63-bit numbers in base64url: whatever matches is a cursor, so a schema can say it."""


def cursor(key: int) -> str:
    """The `next` of a page that ends with this key."""
    return urlsafe_b64encode(key.to_bytes(8, "big")).rstrip(b"=").decode("ascii")


def _key(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(_CURSOR, value):
        raise PydanticCustomError("cursor", "must be the `next` of the page before")
    return int.from_bytes(urlsafe_b64decode(value + "="), "big")


Cursor = Annotated[
    int, BeforeValidator(_key), WithJsonSchema({"type": "string", "pattern": _CURSOR})
]
"""Arrives as text; is the key that the page comes after."""


def _undefaulted(schema: JsonDict) -> None:
    """Take the default out of the schema: it is a key, and clients only know cursors."""
    del schema["default"]


class Page(Query):
    """The parameters of every list. A list's filters are fields of a subclass."""

    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX), DIGITS] = Field(
        default=LIMIT_DEFAULT, description="How many a page may hold."
    )
    after: Cursor = Field(
        default=0,
        description="The `next` of the page before: gives the page that follows.",
        json_schema_extra=_undefaulted,
    )


class PageBody(BaseModel):
    """The body of a page; a subclass adds the list, under its plural."""

    model_config = ConfigDict(extra="forbid")

    next: str | None = Field(
        description="Send it as `after` to get the page that follows; null on the last one.",
        json_schema_extra={"anyOf": [{"type": "string", "pattern": _CURSOR}, {"type": "null"}]},
    )


def cut(rows: Sequence[R], limit: int, key: Callable[[R], int]) -> tuple[Sequence[R], str | None]:
    """Make a page and its `next` of up to `limit + 1` rows: one too many means that more follow."""
    page = rows[:limit]
    return page, cursor(key(page[-1])) if len(rows) > limit else None


async def page_body(
    plural: str,
    rows: Sequence[R],
    next: str | None,
    show: Callable[[R], Mapping[str, Any]],
) -> bytes:
    """The body of a list. Large pages are made in turns with all else that the process does."""
    items = [dumps(show(row)) async for row in in_turns(rows)]
    return b'{"%s":[%s],"next":%s}' % (plural.encode(), b",".join(items), dumps(next))
