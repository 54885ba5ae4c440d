"""The shop as it is simulated: its own table, and a handler as others would add it."""

from __future__ import annotations

from dataclasses import replace

from chaos.shop.workloads.points import PROGRAMS, earn
from system.events import OrderPaid
from system.table import SHOP

SIMULATED = replace(
    SHOP,
    rows=tuple(
        replace(row, reacts={**row.reacts, **{name: earn(name) for name in PROGRAMS}})
        if row.event is OrderPaid
        else row
        for row in SHOP.rows
    ),
)
