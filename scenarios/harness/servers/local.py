"""The servers without containers: each a process of this machine."""

from __future__ import annotations

from scenarios.harness.servers.common import free_port
from scenarios.harness.servers.kafka import Kafka
from scenarios.harness.servers.mongo import VIEWS, best_views
from scenarios.harness.servers.mysql import MariaDB, MySQL, Sql
from scenarios.harness.servers.together import Servers
from scenarios.harness.servers.toxiproxy import Toxiproxy

DATABASES: dict[str, type[Sql]] = {"mysql": MySQL, "mariadb": MariaDB}


class LocalServers(Servers):
    """Kafka, one of DATABASES, one of VIEWS, and Toxiproxy."""

    def __init__(self, *, database: str = "mysql", views: str | None = None) -> None:
        self._kafka_proxy = free_port()
        kafka = Kafka(proxied_port=self._kafka_proxy)
        super().__init__(kafka, DATABASES[database](), VIEWS[views or best_views()](), Toxiproxy())

    async def _stand_before(self) -> None:
        proxy = self.toxiproxy.proxy
        self._proxied = {
            "kafka": await proxy("kafka", self.kafka.behind_proxy, port=self._kafka_proxy),
            "sql": await proxy("sql", self.sql.address),
            "mongo": await proxy("mongo", self.mongo.address),
        }
