"""The system's table, and a handler as others would add it: what a simulated cluster is built by."""

from __future__ import annotations

from dataclasses import replace

from chaos.kit.simulated.parts import SETTINGS
from chaos.shop.workloads.points import PROGRAMS, earn
from system.events import OrderPaid
from system.kit.roles import Blueprint
from system.kit.table import Row
from system.table import SHOP, TABLE

SIMULATED_TABLE: tuple[Row, ...] = tuple(
    replace(row, reacts={**row.reacts, **{name: earn(name) for name in PROGRAMS}})
    if row.event is OrderPaid
    else row
    for row in TABLE
)
BLUEPRINT = Blueprint(replace(SHOP, rows=SIMULATED_TABLE), SETTINGS)
