"""Events of the shop: what counts versions there, and whose cause is whose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from chaos.kit.checkers import Anomaly
from chaos.kit.checkers import events as kit
from chaos.kit.evidence import Evidence
from chaos.shop.evidence import reservations_of
from system.kit.values import loads


def _untold_stock(evidence: Evidence) -> Iterator[Anomaly]:
    told: dict[int, set[int]] = defaultdict(set)
    for event in evidence.events_with("stock_version"):
        product_id = event.product.id if hasattr(event, "product") else event.product_id
        told[product_id].add(event.stock_version)
    for row in evidence.rows("stock"):
        if missing := set(range(1, row["version"] + 1)) - told[row["product_id"]]:
            yield Anomaly(
                "silent change",
                f"stock of product {row['product_id']}: version {kit.listed(missing)}"
                " was never told",
            )


def _untold_reservations(evidence: Evidence) -> Iterator[Anomaly]:
    told = {
        (event.order_id, event.reservation.value) for event in evidence.events_with("reservation")
    }
    there = {row["product_id"] for row in evidence.rows("stock")}
    for id, row in reservations_of(evidence).items():
        # a release is told by each product, and one that is gone tells nothing
        is_mute = row["state"] == "released" and there.isdisjoint(
            int(product_id) for product_id, _ in loads(row["lines"])
        )
        if (id, row["state"]) not in told and not is_mute:
            yield Anomaly("silent change", f"order {id}: {row['state']} was never told")


def _stock_versions(event: Any) -> Iterator[tuple[str, int, int]]:  # one of the models
    """The version of a product's stock, which it counts beside its own."""
    if event.type in ("stock.reserved", "stock.released"):
        yield "stock", event.product_id, event.stock_version
    if event.type == "product.updated" and event.stock_change:
        yield "stock", event.key, event.stock_version


def _about_one_order(evidence: Evidence) -> Iterator[Anomaly]:
    """Here only orders lead to events: of the stock always, and of nothing but themselves."""
    for told in evidence.first_told.values():
        name, because = f"{told.event.type} {told.event.key}", told.envelope.cause.causation_id
        if because is None:
            if told.event.type.startswith("stock."):
                yield Anomaly("orphan", f"{name} has no cause")
            continue
        before = evidence.first_told.get(because)
        if before is not None and before.event.key != told.event.key:
            yield Anomaly("orphan", f"{name}: caused by another order")


NO_LOST_EVENT = kit.NO_LOST_EVENT.also(
    kit.every_version("user", "users"),
    kit.every_version("product", "products"),
    kit.every_version("order", "orders"),
    _untold_stock,
    _untold_reservations,
)
NO_PHANTOM_EVENT = kit.NO_PHANTOM_EVENT.also(kit.one_for_each_version(_stock_versions))
IN_ORDER = kit.IN_ORDER.also(kit.ids_follow_versions(_stock_versions))
CAUSES_TOLD = kit.CAUSES_TOLD.also(_about_one_order)
