"""Kafka itself, in KRaft mode, from Maven's artifacts: one broker, or several that share topics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from scenarios.harness.servers.common import HOST, Server, free_port, knock, run
from scenarios.harness.servers.java import jars, java

VERSION = "4.1.2"
SLF4J = "1.7.36"

CONFIG = """\
process.roles={roles}
node.id={node}
controller.quorum.voters={controller_node}@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=PLAIN://{host}:{port},{listens}
advertised.listeners=PLAIN://{host}:{port},{advertised}
listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT,{protocols}
inter.broker.listener.name={between}
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.num.partitions=8
offsets.topic.replication.factor={brokers}
transaction.state.log.replication.factor={brokers}
transaction.state.log.min.isr={in_sync_min}
share.coordinator.state.topic.replication.factor={brokers}
share.coordinator.state.topic.min.isr={in_sync_min}
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=1000
"""
# A heartbeat that has waited for half of its interval lets no broker begin. On a busy machine, at an
# interval of 500 ms, that was each of them for 90 s.
AMONG_BROKERS = """\
min.insync.replicas={in_sync_min}
leader.imbalance.check.interval.seconds=5
"""
CONTROLLER_NODE = 1
"""The broker that is the controller, too. There is one: it sees that the others are away, and says so.

Were each of three brokers a controller, two of them away would leave none, and so the topics as they
were: a producer would not be refused for what is missing, it would wait for it.
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What its brokers share: each topic is on all of them, and on most of them before it is acknowledged."""

    brokers: int = 1
    id: str = field(default_factory=lambda: uuid4().hex[:22])
    controller_port: int = field(default_factory=free_port)

    @property
    def in_sync_min(self) -> int:
        return self.brokers // 2 + 1

    @property
    def heap_mb(self) -> int:
        return 512 if self.brokers == 1 else 256


class Kafka(Server):
    """A broker.

    Has a listener for everyone, `address`, and one for each proxy that clients come through. A broker
    tells its clients where to connect to, so a proxy's port must be known before it. Other brokers come
    through `proxied_port`: so one can have what the others have not.
    """

    name = "kafka"

    def __init__(
        self,
        *,
        cluster: Cluster | None = None,
        node: int = CONTROLLER_NODE,
        proxied_port: int | None = None,
        more_ports: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.cluster = cluster or Cluster()
        self.node = node
        if self.cluster.brokers > 1:
            self.name = f"{self.name}-{node}"
        behind = free_port()
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

    def settings(self, folder: Path) -> str:
        """What it is started with."""
        ways = [(f"PROXIED{n}", *ports) for n, ports in enumerate(self._behind.items())]
        listens = [f"{name}://{HOST}:{behind}" for name, _, behind in ways]
        roles = ["broker"]
        if self.node == CONTROLLER_NODE:
            roles.append("controller")
            listens.append(f"CONTROLLER://{HOST}:{self.cluster.controller_port}")
        template = CONFIG if self.cluster.brokers == 1 else CONFIG + AMONG_BROKERS
        return template.format(
            host=HOST,
            port=self.port,
            node=self.node,
            roles=",".join(roles),
            brokers=self.cluster.brokers,
            in_sync_min=self.cluster.in_sync_min,
            controller_node=CONTROLLER_NODE,
            controller=self.cluster.controller_port,
            listens=",".join(listens),
            between="PROXIED0" if self.cluster.brokers > 1 else "PLAIN",
            advertised=",".join(f"{name}://{HOST}:{proxied}" for name, proxied, _ in ways),
            protocols=",".join(f"{name}:PLAINTEXT" for name, _, _ in ways),
            data=folder / "data",
        )

    async def _prepare(self, folder: Path) -> None:
        config = folder / "server.properties"
        config.write_text(self.settings(folder))
        await run(
            *self._java("kafka.tools.StorageTool"),
            *("format", "-t", self.cluster.id, "-c", config),
            bound_s=60,
        )

    def _command(self, folder: Path) -> Sequence[str | Path]:
        heap = f"-Xmx{self.cluster.heap_mb}m"
        # Its compressors unpack libraries into it, which one that is killed would leave behind.
        unpacked = f"-Djava.io.tmpdir={folder}"
        return (*self._java("kafka.Kafka", heap, unpacked), folder / "server.properties")

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
