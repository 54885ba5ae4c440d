"""One broker, or several that share topics: who controls, how many copies, and how they are found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scenarios.harness.servers import Kafka, LocalServers


def settings(broker: Kafka) -> Mapping[str, str]:
    lines = broker.settings(Path("folder")).splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_one_broker_controls_itself_and_has_the_only_copy() -> None:
    servers = LocalServers()
    has = settings(servers.kafka)
    assert has["process.roles"] == "broker,controller"
    assert has["offsets.topic.replication.factor"] == "1"
    assert has["inter.broker.listener.name"] == "PLAIN"
    assert servers.kafka.name == "kafka"
    assert servers.environment()["KAFKA_REPLICATION"] == "1"


def test_of_three_brokers_one_controls_and_an_event_is_on_two() -> None:
    servers = LocalServers(brokers=3)
    each = [settings(one) for one in servers.brokers]
    assert [one.name for one in servers.brokers] == ["kafka-1", "kafka-2", "kafka-3"]
    assert [has["process.roles"] for has in each] == ["broker,controller", "broker", "broker"]
    assert len({has["controller.quorum.voters"] for has in each}) == 1
    assert len({one.cluster.id for one in servers.brokers}) == 1
    assert {has["min.insync.replicas"] for has in each} == {"2"}
    assert {has["offsets.topic.replication.factor"] for has in each} == {"3"}


def test_brokers_copy_from_each_other_through_proxies() -> None:
    broker = LocalServers(brokers=3).brokers[1]
    has = settings(broker)
    assert has["inter.broker.listener.name"] == "PROXIED0"
    listens = dict(way.split("://") for way in has["listeners"].split(","))
    told = dict(way.split("://") for way in has["advertised.listeners"].split(","))
    assert told["PROXIED0"] == f"127.0.0.1:{broker.proxied_port}"
    assert listens["PROXIED0"] == broker.behind_proxy != told["PROXIED0"]


def test_the_system_is_told_all_brokers_and_how_many_copies_to_make() -> None:
    servers = LocalServers(brokers=3)
    environment = servers.environment()
    assert environment["KAFKA_BROKERS"].split(",") == [one.address for one in servers.brokers]
    assert environment["KAFKA_REPLICATION"] == "3"
