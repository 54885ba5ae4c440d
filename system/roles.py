"""The roles of the system: their names and ports. Light: the image's health check reads it, too."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """A process of the system: its port, and the aggregate whose outbox it relays."""

    name: str
    port: int
    relays: str | None = None


ROLES = (
    RoleSpec("user-api", 8081),
    RoleSpec("product-api", 8082),
    RoleSpec("order-api", 8083),
    RoleSpec("query-api", 8084),
    RoleSpec("user-consumer", 8091, relays="user"),
    RoleSpec("product-consumer", 8092, relays="product"),
    RoleSpec("order-consumer", 8093, relays="order"),
    RoleSpec("query-consumer", 8094),
)
QUERY_CONSUMER = "query-consumer"
QUERY_SIDE = ("query-api", QUERY_CONSUMER)
GROUPS = {
    "apis": tuple(spec.name for spec in ROLES if spec.name.endswith("-api")),
    "consumers": tuple(spec.name for spec in ROLES if spec.name.endswith("-consumer")),
}
