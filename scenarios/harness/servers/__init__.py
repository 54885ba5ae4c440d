"""Real servers without containers: fetched once, started in throw-away folders on free ports."""

from scenarios.harness.servers.common import Missing, NotStarted, Server
from scenarios.harness.servers.kafka import Kafka
from scenarios.harness.servers.local import DATABASES, LocalServers
from scenarios.harness.servers.mongo import Mongo
from scenarios.harness.servers.mysql import MariaDB, MySQL, Sql
from scenarios.harness.servers.shared import ProxiedSql, shared
from scenarios.harness.servers.toxiproxy import Toxiproxy

__all__ = [
    "DATABASES",
    "Kafka",
    "LocalServers",
    "MariaDB",
    "Missing",
    "Mongo",
    "MySQL",
    "NotStarted",
    "ProxiedSql",
    "Server",
    "Sql",
    "Toxiproxy",
    "shared",
]
