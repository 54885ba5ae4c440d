"""What statements of several stores have in common, made once as they are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, Table, bindparam, select


def among(column: ColumnElement[Any], parameter: str = "ids") -> ColumnElement[bool]:
    """Whether a column is among the values of a parameter, which is a list."""
    return column.in_(bindparam(parameter, expanding=True))


def locking(table: Table, key: ColumnElement[int]) -> Select[Any]:
    """Lock the rows of some ids, in the order of their ids: no two ever wait crosswise."""
    return select(table).where(among(key)).order_by(key).with_for_update()
