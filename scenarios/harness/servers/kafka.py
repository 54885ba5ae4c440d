"""Kafka itself, one broker in KRaft mode, from Maven's artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from scenarios.harness.servers.common import HOST, Server, free_port, knock, run
from scenarios.harness.servers.java import jars, java

VERSION = "4.1.2"
SLF4J = "1.7.36"

CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=PLAIN://{host}:{port},CONTROLLER://{host}:{controller},{listens}
advertised.listeners=PLAIN://{host}:{port},{advertised}
listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT,{protocols}
inter.broker.listener.name=PLAIN
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.num.partitions=8
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""


class Kafka(Server):
    """Has a listener for everyone, `address`, and one for each proxy that clients come through.

    A broker tells its clients where to connect to, so a proxy's port must be known before it.
    """

    name = "kafka"

    def __init__(self, *, proxied_port: int | None = None, more_ports: Sequence[int] = ()) -> None:
        super().__init__()
        behind = free_port()
        self._controller = free_port()
        self.proxied_port = proxied_port or behind
        self._behind = {self.proxied_port: behind, **{port: free_port() for port in more_ports}}
        self._libs = Path()

    @property
    def product(self) -> str:
        return f"Kafka {VERSION}"

    @property
    def behind_proxy(self) -> str:
        """Where the proxy that listens on `proxied_port` must lead to."""
        return self.behind(self.proxied_port)

    def behind(self, proxied_port: int) -> str:
        """The same for any of the proxies."""
        return f"{HOST}:{self._behind[proxied_port]}"

    async def fetch(self) -> None:
        self._libs = await jars(
            f"kafka-{VERSION}",
            f"org.apache.kafka:kafka_2.13:{VERSION}",
            f"org.slf4j:slf4j-simple:{SLF4J}",
        )

    async def _prepare(self, folder: Path) -> None:
        config = folder / "server.properties"
        ways = [(f"PROXIED{n}", *ports) for n, ports in enumerate(self._behind.items())]
        config.write_text(
            CONFIG.format(
                host=HOST,
                port=self.port,
                controller=self._controller,
                listens=",".join(f"{name}://{HOST}:{behind}" for name, _, behind in ways),
                advertised=",".join(f"{name}://{HOST}:{proxied}" for name, proxied, _ in ways),
                protocols=",".join(f"{name}:PLAINTEXT" for name, _, _ in ways),
                data=folder / "data",
            )
        )
        await run(
            *self._java("kafka.tools.StorageTool"),
            *("format", "-t", uuid4().hex[:22], "-c", config),
            bound_s=60,
        )

    def _command(self, folder: Path) -> Sequence[str | Path]:
        return (*self._java("kafka.Kafka", "-Xmx512m"), folder / "server.properties")

    def _java(self, main: str, *options: str) -> tuple[str, ...]:
        # One core's worth of collector and compiler: a test broker starts in 2.5 s with them.
        tuned = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        return (java(), *options, *tuned, "-cp", f"{self._libs}/*", main)

    async def _greet(self) -> None:
        await knock(self.port)  # aiokafka would log an error for each try
        from aiokafka.admin import AIOKafkaAdminClient  # noqa: PLC0415 - used nowhere else

        admin = AIOKafkaAdminClient(bootstrap_servers=self.address, request_timeout_ms=2000)
        try:
            await admin.start()
            await admin.describe_cluster()
        finally:
            await admin.close()
