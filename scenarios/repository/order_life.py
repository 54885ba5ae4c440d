"""Reads the tables of docs/order-life.md, which the decisions and handlers are held against."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scenarios.repository.markdown import ROOT, Page

Table = Mapping[str, Mapping[str, str]]
"""By the first cell of a row, then by the head of a column."""

_PAGE = ROOT / "docs" / "order-life.md"
CLIENTS, STOCK, LEARNS = Page(_PAGE, _PAGE.read_text(encoding="utf-8")).tables

_STEP = re.compile(r"([A-Z]+)(?:, paid)? `(order\.\w+)`")


@dataclass(frozen=True, slots=True)
class Step:
    """One cell in which an order goes on to a status, by an event."""

    before: str
    is_paid: bool
    after: str
    event: str


def steps(table: Table) -> Iterator[Step]:
    for line in table.values():
        for state, cell in line.items():
            if found := _STEP.match(cell):
                yield Step(*state_of(state), *found.groups())


def state_of(column: str) -> tuple[str, bool]:
    """The status that stands above a column, and whether such an order is paid."""
    status, _, paid = column.partition(", ")
    return status, bool(paid) or status == "PAID"
