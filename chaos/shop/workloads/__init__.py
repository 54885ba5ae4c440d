"""What is tested: each workload is a plain record of clients and what they do."""

from __future__ import annotations

from chaos.kit.simulated.workload import Workload
from chaos.shop.workloads import (
    dead_letters,
    demands,
    endings,
    orders,
    regrets,
    stock,
    together,
    twins,
    views,
    wander,
)

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        orders.ORDERS,
        endings.ENDINGS,
        regrets.REGRETS,
        stock.STOCK_CHANGES,
        demands.DEMANDS,
        together.TOGETHER,
        dead_letters.DEAD_LETTERS,
        views.REBUILD,
        views.REBUILD_WITH_LETTERS,
        twins.TWINS_AT_WORK,
        wander.WANDER,
    )
}
