"""What statements of several stores have in common, made once as they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Update, bindparam
from sqlalchemy.ext.asyncio import AsyncConnection


def among(column: ColumnElement[Any], parameter: str = "ids") -> ColumnElement[bool]:
    """Whether a column is among the values of a parameter, which is a list."""
    return column.in_(bindparam(parameter, expanding=True))


def row_of(state: object, columns: Iterable[str]) -> dict[str, object]:
    """These fields of a state, as values of the columns of the same names."""
    return {name: getattr(state, name) for name in columns}


async def update_alike(
    sql: AsyncConnection, statement: Update, rows: Mapping[int, Mapping[str, object]]
) -> None:
    """Give each row its new values: one UPDATE for all that get the same.

    A list of parameters would be one trip to the server for each row.
    """
    alike: defaultdict[tuple[tuple[str, object], ...], list[int]] = defaultdict(list)
    for id, values in rows.items():
        alike[tuple(values.items())].append(id)
    for same, ids in alike.items():
        await sql.execute(statement, {"ids": ids, **dict(same)})
