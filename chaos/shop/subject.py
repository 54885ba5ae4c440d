"""The shop under test: what the simulation has to be told of it."""

from __future__ import annotations

from pathlib import Path

from chaos.kit.simulated.subject import Item, Subject
from chaos.shop.checkers import ANOMALIES, CHECKERS
from chaos.shop.mutants import MUTANTS
from chaos.shop.workloads import WORKLOADS
from chaos.shop.workloads.given import SETTING_UP
from chaos.shop.workloads.points import points
from chaos.shop.workloads.table import SIMULATED
from system.kit.columns import metadata


def _with_cents(item: Item) -> Item:
    """Amounts as the write model has them: whole cents."""
    amount = item.get("price", item.get("total_amount"))
    return item if amount is None else {**item, "cents": int(amount * 100)}


SHOP = Subject(
    "chaos.shop.subject:SHOP",
    SIMULATED,
    SETTING_UP,
    WORKLOADS,
    CHECKERS,
    MUTANTS,
    ANOMALIES,
    tables=(metadata, points.metadata),
    shown=_with_cents,
    known_failures=Path(__file__).with_name("regressions.txt"),
    page="docs/guarantees.md",
)
