"""What statements of several stores have in common, made once as they are."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, bindparam


def among(column: ColumnElement[Any], parameter: str = "ids") -> ColumnElement[bool]:
    """Whether a column is among the values of a parameter, which is a list."""
    return column.in_(bindparam(parameter, expanding=True))
