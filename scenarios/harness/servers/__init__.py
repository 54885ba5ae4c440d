"""Real servers on free ports: without containers, fetched once, or in them."""

from scenarios.harness.servers.common import Missing, NotStarted, Server
from scenarios.harness.servers.kafka import Kafka
from scenarios.harness.servers.local import DATABASES, LocalServers
from scenarios.harness.servers.mongo import VIEWS, DocumentDB, Mongo, best_views
from scenarios.harness.servers.mysql import MariaDB, MySQL, Sql
from scenarios.harness.servers.shared import ProxiedSql, shared
from scenarios.harness.servers.together import Servers, line_name
from scenarios.harness.servers.toxiproxy import Toxiproxy

__all__ = [
    "DATABASES",
    "VIEWS",
    "DocumentDB",
    "Kafka",
    "LocalServers",
    "MariaDB",
    "Missing",
    "Mongo",
    "MySQL",
    "NotStarted",
    "ProxiedSql",
    "Server",
    "Servers",
    "Sql",
    "Toxiproxy",
    "best_views",
    "line_name",
    "shared",
]
