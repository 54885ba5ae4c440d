"""The servers without containers: each a process of this machine."""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.harness.servers.common import free_port
from scenarios.harness.servers.kafka import Cluster, Kafka
from scenarios.harness.servers.mongo import VIEWS, best_views
from scenarios.harness.servers.mysql import MariaDB, MySQL, Sql
from scenarios.harness.servers.together import Servers, line_name
from scenarios.harness.servers.toxiproxy import Toxiproxy

DATABASES: dict[str, type[Sql]] = {"mysql": MySQL, "mariadb": MariaDB}


class LocalServers(Servers):
    """Kafka, one of DATABASES, one of VIEWS, and Toxiproxy.

    Each of `clients` has a line of its own to each server, so that one alone can be cut off.
    """

    def __init__(
        self,
        *,
        database: str = "mysql",
        views: str | None = None,
        clients: Sequence[str] = (),
        brokers: int = 1,
    ) -> None:
        self._clients = ("", *clients)
        self._ports = [[free_port() for _ in self._clients] for _ in range(brokers)]
        cluster = Cluster(brokers)
        super().__init__(
            [
                Kafka(cluster=cluster, node=node, proxied_port=first, more_ports=more)
                for node, (first, *more) in enumerate(self._ports, 1)
            ],
            DATABASES[database](),
            VIEWS[views or best_views()](),
            Toxiproxy(),
        )

    async def _stand_before(self) -> None:
        proxy = self.toxiproxy.proxy
        for client, *ports in zip(self._clients, *self._ports, strict=True):
            lines: dict[str, tuple[str, int | None]] = {
                broker.name: (broker.behind(port), port)
                for broker, port in zip(self.brokers, ports, strict=True)
            }
            lines |= {"sql": (self.sql.address, None), "mongo": (self.mongo.address, None)}
            self._proxied[client] = {
                server: await proxy(line_name(server, client), upstream, port=listens)
                for server, (upstream, listens) in lines.items()
            }
