"""Which processes a workload runs, each with its roles."""

from __future__ import annotations

from collections.abc import Mapping

PROCESSES: Mapping[str, tuple[str, ...]] = {
    "products": ("product-api", "product-consumer"),
    "orders": ("order-api", "order-consumer"),
    "queries": ("query-api", "query-consumer"),
}
"""For workloads that change no users."""
WITH_USERS = {"users": ("user-api", "user-consumer"), **PROCESSES}
TWINS: Mapping[str, tuple[str, ...]] = {
    "apis": ("product-api", "order-api"),
    "products": ("product-consumer",),
    "products-2": ("product-consumer",),
    "orders": ("order-consumer",),
    "orders-2": ("order-consumer",),
    "queries": ("query-api", "query-consumer"),
}
"""Two of those whose relays and groups then have somebody to give way to."""
