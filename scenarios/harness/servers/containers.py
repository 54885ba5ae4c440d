"""The servers in containers, by testcontainers: images, commands and variables are the table's.

A container has the face of a process here, so what is said of servers elsewhere holds: they are
started with a bounded wait, killed and started again with their data, and gone in the end. Where
this process dies itself, testcontainers' reaper, a container, too, takes the others away.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

from docker.errors import DockerException, ImageNotFound, NotFound
from docker.models.containers import Container
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.network import Network

from scenarios.harness.images import PROXIES, SERVERS
from scenarios.harness.servers.common import (
    FETCH_S,
    HOST,
    Missing,
    NotStarted,
    Process,
    Server,
    free_port,
    last_words,
    say,
)
from scenarios.harness.servers.kafka import Kafka
from scenarios.harness.servers.mongo import DATABASE, Mongo
from scenarios.harness.servers.mysql import INIT, Sql
from scenarios.harness.servers.together import Servers
from scenarios.harness.servers.toxiproxy import Toxiproxy

LOOK_FOR_ENGINE_S = 10
ADVERTISED = "KAFKA_ADVERTISED_LISTENERS"
PROXIES_FILE = "/toxiproxy.json"


def need_engine() -> None:
    """Ask the container engine for a sign of life. Raises Missing."""
    try:
        engine = DockerClient(timeout=LOOK_FOR_ENGINE_S).client
        engine.ping()
        engine.close()
    except (DockerException, OSError) as error:
        where = os.environ.get("DOCKER_HOST", "its usual place")
        raise Missing(
            f"no container engine answers at {where}: start Docker, or let DOCKER_HOST say where"
            f" it is; --stack local needs none ({last_words(str(error), 1)})"
        ) from error


class ContainerProcess:
    """A container that is asked, and ended, as a process is."""

    def __init__(self, container: Container) -> None:
        self._container = container

    @property
    def pid(self) -> int:
        self._container.reload()
        return int(self._container.attrs["State"]["Pid"])

    def poll(self) -> int | None:
        self._container.reload()
        state = self._container.attrs["State"]
        return None if state["Running"] else int(state["ExitCode"])

    def send_signal(self, sign: int, /) -> None:
        if self.poll() is None:
            self._container.kill(signal=sign)

    def kill(self) -> None:
        with suppress(NotFound):
            if self.poll() is None:
                self._container.kill()

    def wait(self, timeout: float) -> int:
        return int(self._container.wait(timeout=timeout)["StatusCode"])


class Contained(Server):
    """One server of the table in a container, on a port of this machine that stays."""

    network: Network | None = None
    """Where the servers find each other by their names."""
    _container: DockerContainer | None = None

    @property
    def product(self) -> str:
        return SERVERS[self.name].image

    @property
    def published(self) -> Mapping[int, int]:
        """Port of the container: port of this machine."""
        (its,) = SERVERS[self.name].ports.values()
        return {its: self.port}

    @property
    def files(self) -> Mapping[str, str]:
        """What is put into the container before it starts."""
        return {}

    async def fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_S):
                await asyncio.to_thread(_pull, self.product)
        except (DockerException, OSError) as error:
            why = str(error) or f"not done in {FETCH_S:.0f} s"
            raise Missing(f"cannot pull {self.product}: {last_words(why)}") from error

    async def _prepare(self, folder: Path) -> None:
        """The image does."""

    def _command(self, _: Path) -> Sequence[str]:
        return SERVERS[self.name].command

    def _variables(self) -> Mapping[str, str]:
        return SERVERS[self.name].environment

    def _spawn(self, folder: Path) -> Process:
        try:
            if self._container is None:
                self._container = self._made(folder)
                self._container.start()
            else:
                self._container.get_wrapped_container().start()
        except DockerException as error:
            raise NotStarted(f"{self.name}: {last_words(str(error))}") from error
        return ContainerProcess(self._container.get_wrapped_container())

    def _made(self, folder: Path) -> DockerContainer:
        made = DockerContainer(self.product).with_envs(**self._variables())
        if command := self._command(folder):
            made.with_command(list(command))
        for its, own in self.published.items():
            made.with_bind_ports(its, own)
        for path, content in self.files.items():
            made.with_copy_into_container(content.encode(), path)
        if self.network is not None:
            made.with_network(self.network).with_network_aliases(self.name)
        return made

    def _last_words(self, _: Path) -> str:
        if self._container is None:
            return last_words("")
        logs = self._container.get_wrapped_container().logs(tail=3)
        return last_words(logs.decode(errors="replace"))

    async def stop(self) -> None:
        """Remove it, with its data."""
        container, self._container, self._process = self._container, None, None
        try:
            if container is not None:
                container.stop()
        finally:
            await super().stop()


def _pull(image: str) -> None:
    engine = DockerClient().client
    try:
        engine.images.get(image)
    except ImageNotFound:
        say(f"{image}: pulling, once")
        engine.images.pull(image)
    finally:
        engine.close()


class KafkaContainer(Contained, Kafka):
    def _variables(self) -> Mapping[str, str]:
        """Those of the table, but for what its clients on this machine are told to connect to."""
        variables = super()._variables()
        ways_in = dict(way.split("://") for way in variables[ADVERTISED].split(","))
        ways_in |= {"OUTSIDE": self.address, "PROXIED": f"{HOST}:{self.proxied_port}"}
        advertised = ",".join(f"{name}://{address}" for name, address in ways_in.items())
        return {**variables, ADVERTISED: advertised}


class MySQLContainer(Contained, Sql):
    name = "mysql"
    _brand = "MySQL"

    @property
    def files(self) -> Mapping[str, str]:
        """Leave to make databases, which the image's own user has not."""
        return {"/docker-entrypoint-initdb.d/init.sql": INIT}


class MongoContainer(Contained, Mongo):
    def uri_at(self, address: str, database: str = DATABASE) -> str:
        has = SERVERS["mongo"].environment
        login = f"{has['MONGO_INITDB_ROOT_USERNAME']}:{has['MONGO_INITDB_ROOT_PASSWORD']}"
        return f"mongodb://{login}@{address}/{database}?{urlencode({'authSource': 'admin'})}"


class ToxiproxyContainer(Contained, Toxiproxy):
    """Its proxies are there from its start, and again after a kill."""

    def __init__(self) -> None:
        super().__init__()
        self.listens = {_port(listen): free_port() for listen, _ in PROXIES.values()}
        """Port of the container that a proxy listens on: port of this machine."""

    @property
    def published(self) -> Mapping[int, int]:
        return {**super().published, **self.listens}

    @property
    def files(self) -> Mapping[str, str]:
        proxies = [
            {"name": name, "listen": listen, "upstream": upstream, "enabled": True}
            for name, (listen, upstream) in PROXIES.items()
        ]
        return {PROXIES_FILE: json.dumps(proxies)}

    def before(self, name: str) -> str:
        """Where the proxy of this name is reached from this machine."""
        listen, _ = PROXIES[name]
        return f"{HOST}:{self.listens[_port(listen)]}"


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


class ContainerServers(Servers):
    """Kafka, MySQL, MongoDB itself, and Toxiproxy."""

    def __init__(self) -> None:
        toxiproxy = ToxiproxyContainer()
        kafka = KafkaContainer(proxied_port=_port(toxiproxy.before("kafka")))
        sql, mongo = MySQLContainer(), MongoContainer()
        self._contained = (kafka, sql, mongo, toxiproxy)
        super().__init__([kafka], sql, mongo, toxiproxy)
        self._proxied[""] = {name: toxiproxy.before(name) for name in PROXIES}
        self._network: Network | None = None

    async def start(self) -> None:
        self._network = Network().create()
        for server in self._contained:
            server.network = self._network
        await super().start()

    async def stop(self) -> None:
        await super().stop()
        if self._network is not None:
            self._network.remove()
            self._network = None
