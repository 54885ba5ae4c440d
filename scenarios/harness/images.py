"""The containers: which images, which ports, which variables.

`docker-compose.yml` is held to this table by a test, and the table to the system's own settings and
roles. `pytest --stack docker` makes its containers from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from system.roles import ROLES

KIT = "event-driven-kit"
PYTHON = "python:3.11.14-slim-bookworm"
"""What the kit's own image is made from."""


@dataclass(frozen=True, slots=True)
class Container:
    image: str
    ports: Mapping[int, int] = field(default_factory=dict)
    """Port of this machine: port of the container. Published to this machine alone."""
    environment: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = ()
    """What the program of the image is told beside."""


SERVERS: Mapping[str, Container] = {
    "kafka": Container(
        "apache/kafka:4.1.2",
        {9092: 9092},
        {
            # one process is broker and controller: Kafka 4 knows no ZooKeeper any more
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_NODE_ID": "1",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@kafka:9093",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            # a broker tells its clients where to connect to, so each way in has its own name
            "KAFKA_LISTENERS": (
                "INSIDE://:29092,OUTSIDE://:9092,PROXIED://:39092,CONTROLLER://:9093"
            ),
            "KAFKA_ADVERTISED_LISTENERS": (
                "INSIDE://kafka:29092,OUTSIDE://localhost:9092,PROXIED://toxiproxy:9092"
            ),
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": (
                "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT"
            ),
            "KAFKA_INTER_BROKER_LISTENER_NAME": "INSIDE",
            "KAFKA_LOG_DIRS": "/var/lib/kafka/data",
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
            "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "8",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
            "KAFKA_BROKER_SESSION_TIMEOUT_MS": "3000",
            "KAFKA_BROKER_HEARTBEAT_INTERVAL_MS": "1000",
        },
    ),
    "mysql": Container(
        "mysql:8.4.7",
        {3306: 3306},
        {
            "MYSQL_DATABASE": "ecommerce",
            "MYSQL_USER": "ecommerce",
            "MYSQL_PASSWORD": "ecommerce",
            "MYSQL_ROOT_PASSWORD": "root",
        },
        ["--max-connections=500"],  # each process has up to 20
    ),
    "mongo": Container(
        "mongo:8.0.15",
        {27017: 27017},
        {"MONGO_INITDB_ROOT_USERNAME": "admin", "MONGO_INITDB_ROOT_PASSWORD": "admin"},
    ),
    "toxiproxy": Container(
        "ghcr.io/shopify/toxiproxy:2.12.0",
        {8474: 8474},
        command=["-host=0.0.0.0", "-config=/toxiproxy.json"],
    ),
    "kafka-ui": Container(
        "ghcr.io/kafbat/kafka-ui:v1.3.0",
        {8080: 8080},
        {
            "KAFKA_CLUSTERS_0_NAME": "event-driven-kit",
            "KAFKA_CLUSTERS_0_BOOTSTRAPSERVERS": "kafka:29092",
        },
    ),
    "mongo-express": Container(
        "mongo-express:1.0.2",
        {8085: 8081},
        {
            "ME_CONFIG_MONGODB_URL": "mongodb://admin:admin@mongo:27017/?authSource=admin",
            "ME_CONFIG_BASICAUTH": "false",
        },
    ),
}

PROXIES: Mapping[str, tuple[str, str]] = {
    "sql": ("0.0.0.0:3306", "mysql:3306"),
    "mongo": ("0.0.0.0:27017", "mongo:27017"),
    "kafka": ("0.0.0.0:9092", "kafka:39092"),
}
"""Of Toxiproxy: where each listens, and what it stands before."""

WHERE = {"MYSQL_AT": "mysql:3306", "MONGO_AT": "mongo:27017", "KAFKA_AT": "kafka:29092"}
"""What the compose file reads from its own environment: where the roles look for the servers."""

ROLE_ENVIRONMENT = {
    "HOST": "0.0.0.0",  # noqa: S104 (of the container; its ports are published to this machine alone)
    "MYSQL_DSN": "ecommerce:ecommerce@tcp(${MYSQL_AT:-mysql:3306})/ecommerce?parseTime=true",
    "MONGO_URI": "mongodb://admin:admin@${MONGO_AT:-mongo:27017}/ecommerce?authSource=admin",
    "KAFKA_BROKERS": "${KAFKA_AT:-kafka:29092}",
    "KAFKA_SESSION_TIMEOUT": "${KAFKA_SESSION_TIMEOUT:-3s}",  # so short only because the broker allows it
}

CONTAINERS: Mapping[str, Container] = {
    **SERVERS,
    **{
        spec.name: Container(
            KIT, {spec.port: spec.port}, {**ROLE_ENVIRONMENT, "PORT": str(spec.port)}
        )
        for spec in ROLES
    },
}
