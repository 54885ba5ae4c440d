"""The roles of the system: their names and ports. Light: the image's health check reads it, too."""

from __future__ import annotations

from system.kit.spec import Kind, RoleSpec, groups

ROLES = (
    RoleSpec("user-api", 8081, Kind.COMMANDS),
    RoleSpec("product-api", 8082, Kind.COMMANDS),
    RoleSpec("order-api", 8083, Kind.COMMANDS),
    RoleSpec("query-api", 8084, Kind.QUERIES),
    RoleSpec("user-consumer", 8091, Kind.HANDLERS, relays="user"),
    RoleSpec("product-consumer", 8092, Kind.HANDLERS, relays="product"),
    RoleSpec("order-consumer", 8093, Kind.HANDLERS, relays="order"),
    RoleSpec("query-consumer", 8094, Kind.PROJECTIONS),
)
QUERY_CONSUMER = "query-consumer"
GROUPS = groups(ROLES)
