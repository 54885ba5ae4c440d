"""The servers in containers: what the engine is asked for. Here a stand-in answers in its place."""

from __future__ import annotations

import gc
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from testcontainers.core.config import testcontainers_config

from scenarios.harness.images import PROXIES, SERVERS
from scenarios.harness.servers import Missing, NotStarted
from scenarios.harness.servers.containers import Contained, ContainerServers, need_engine
from scenarios.harness.servers.mysql import INIT
from system.kit.settings import mysql_url

STARTED = ("kafka", "mysql", "mongo", "toxiproxy")


@dataclass
class Made:
    """A container as it was asked for, and how it is."""

    wanted: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    running: bool = False
    starts: int = 0

    @property
    def name(self) -> str:
        (endpoint,) = self.wanted["NetworkingConfig"]["EndpointsConfig"].values()
        (alias,) = endpoint["Aliases"]
        return str(alias)

    @property
    def environment(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.wanted.get("Env", []))

    @property
    def published(self) -> dict[int, int]:
        return {
            int(its.removesuffix("/tcp")): int(own[0]["HostPort"])
            for its, own in self.wanted["HostConfig"]["PortBindings"].items()
        }


class Engine(ThreadingUnixStreamServer):
    """Answers as Docker's Engine API, as far as it is asked here, and runs nothing."""

    daemon_threads = True

    def __init__(self, socket: str) -> None:
        super().__init__(socket, Handler)
        self.pulled: list[str] = []
        self.networks: list[str] = []
        self.containers: dict[str, Made] = {}
        self.refused = ""
        """The image that it cannot start."""

    def named(self, name: str) -> Made:
        (found,) = [made for made in self.containers.values() if made.name == name]
        return found


class Handler(BaseHTTPRequestHandler):
    server: Engine

    def do_GET(self) -> None:
        match self.steps:
            case ["_ping"]:
                self.answer(200, b"OK")
            case ["version"]:
                self.answer(200, {"ApiVersion": "1.44"})
            case ["images", *name, "json"]:
                image = "/".join(name)
                if image in self.server.pulled:
                    self.answer(200, {"Id": image})
                else:
                    self.answer(404, {"message": f"no such image: {image}"})
            case ["containers", id, "json"]:
                made = self.server.containers[id]
                state = {"Running": made.running, "ExitCode": 137, "Status": "running"}
                self.answer(200, {"Id": id, "State": state})
            case ["containers", _, "logs"]:
                self.answer(200, b"")
            case ["networks", id]:
                self.answer(200, {"Id": id})

    def do_POST(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        sent = self.sent()
        match self.steps:
            case ["images", "create"]:
                self.server.pulled.append(f"{query['fromImage'][0]}:{query['tag'][0]}")
                self.answer(200, b"")
            case ["networks", "create"]:
                self.server.networks.append(json.loads(sent)["Name"])
                self.answer(201, {"Id": self.server.networks[-1]})
            case ["containers", "create"]:
                id = f"{len(self.server.containers):064x}"
                self.server.containers[id] = Made(json.loads(sent))
                self.answer(201, {"Id": id})
            case ["containers", id, "start"]:
                made = self.server.containers[id]
                if made.wanted["Image"] == self.server.refused:
                    self.answer(500, {"message": "no room for it"})
                else:
                    made.running, made.starts = True, made.starts + 1
                    self.answer(204, b"")
            case ["containers", id, "kill"]:
                self.server.containers[id].running = False
                self.answer(204, b"")
            case ["containers", id, "wait"]:
                self.answer(200, {"StatusCode": 137})

    def do_PUT(self) -> None:
        _, id, _ = self.steps
        with tarfile.open(fileobj=io.BytesIO(self.sent())) as tar:
            for member in tar:
                content = tar.extractfile(member)
                assert content is not None
                self.server.containers[id].files[f"/{member.name.lstrip('/')}"] = (
                    content.read().decode()
                )
        self.answer(200, b"")

    def do_DELETE(self) -> None:
        kind, id = self.steps
        if kind == "networks":
            self.server.networks.remove(id)
        else:
            del self.server.containers[id]
        self.answer(204, b"")

    @property
    def steps(self) -> list[str]:
        return re.sub(r"^/v[\d.]+/", "/", urlsplit(self.path).path).strip("/").split("/")

    def sent(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def answer(self, status: int, body: object) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if content:  # or the one who asked is gone already
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Be silent."""


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/engine.sock"
        monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
        with Engine(socket) as engine:
            thread = threading.Thread(target=engine.serve_forever, daemon=True)
            thread.start()
            yield engine
            engine.shutdown()
            thread.join()


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> ContainerServers:
    """They greet nobody: nothing runs in what this engine calls a container."""

    async def greeted(_: Contained) -> None:
        """Answer at once."""

    servers = ContainerServers()
    for server in servers.all:
        monkeypatch.setattr(type(server), "_greet", greeted)
    return servers


async def test_the_containers_are_those_of_the_table(
    engine: Engine, servers: ContainerServers
) -> None:
    async with servers:
        assert sorted(made.name for made in engine.containers.values()) == sorted(STARTED)
        for name in STARTED:
            made, wanted = engine.named(name), SERVERS[name]
            assert made.wanted["Image"] == wanted.image
            assert made.wanted.get("Cmd", []) == list(wanted.command)
            assert set(wanted.ports.values()) <= made.published.keys()
            assert made.environment.keys() == wanted.environment.keys()
            of_ours = {"KAFKA_ADVERTISED_LISTENERS"}
            for variable in wanted.environment.keys() - of_ours:
                assert made.environment[variable] == wanted.environment[variable]
            assert list(made.wanted["NetworkingConfig"]["EndpointsConfig"]) == engine.networks
    assert sorted(engine.pulled) == sorted(SERVERS[name].image for name in STARTED)


async def test_what_is_put_into_them_grants_databases_and_stands_before_the_servers(
    engine: Engine, servers: ContainerServers
) -> None:
    async with servers:
        files = {name: engine.named(name).files for name in STARTED}
    _, config = SERVERS["toxiproxy"].command
    proxies = json.loads(files["toxiproxy"][config.removeprefix("-config=")])

    assert files["mysql"] == {"/docker-entrypoint-initdb.d/init.sql": INIT}
    assert files["kafka"] == files["mongo"] == {}
    assert {each["name"]: (each["listen"], each["upstream"]) for each in proxies} == PROXIES


@pytest.mark.parametrize("proxied", [False, True])
async def test_the_addresses_lead_to_what_is_published(
    engine: Engine, servers: ContainerServers, *, proxied: bool
) -> None:
    async with servers:
        published = {name: engine.named(name).published for name in STARTED}
        at = servers.environment(proxied=proxied)
        advertised = engine.named("kafka").environment["KAFKA_ADVERTISED_LISTENERS"]
    through = published["toxiproxy"]

    def port(server: str, its: int) -> int:
        return through[its] if proxied else published[server][its]

    url = mysql_url(at["MYSQL_DSN"])
    assert (url.host, url.port) == ("127.0.0.1", port("mysql", 3306))
    assert (url.username, url.password, url.database) == ("ecommerce", "ecommerce", "ecommerce")
    assert at["MONGO_URI"] == (
        f"mongodb://admin:admin@127.0.0.1:{port('mongo', 27017)}/ecommerce?authSource=admin"
    )
    assert at["KAFKA_BROKERS"] == f"127.0.0.1:{port('kafka', 9092)}"
    way = "PROXIED" if proxied else "OUTSIDE"
    assert f"{way}://{at['KAFKA_BROKERS']}" in advertised.split(",")


def test_the_broker_has_a_way_in_for_whoever_the_proxies_and_the_table_send() -> None:
    listeners = SERVERS["kafka"].environment["KAFKA_LISTENERS"]
    _, upstream = PROXIES["kafka"]

    assert "PROXIED://:39092" in listeners.split(",")
    assert upstream == "kafka:39092"


async def test_one_that_is_killed_starts_again_as_the_same_container(
    engine: Engine, servers: ContainerServers
) -> None:
    async with servers:
        kafka = engine.named("kafka")
        await servers.kafka.kill()
        assert not servers.kafka.running
        assert not kafka.running
        await servers.kafka.start()
        assert (kafka.running, kafka.starts) == (True, 2)
        assert engine.named("kafka") is kafka


async def test_nothing_is_left_in_the_end(engine: Engine, servers: ContainerServers) -> None:
    async with servers:
        folders = [server.folder for server in servers.all]
        assert len(engine.networks) == 1

    assert engine.containers == {}
    assert engine.networks == []
    assert not any(folder.exists() for folder in folders if folder)


async def test_one_that_cannot_start_is_told_in_one_line_and_none_is_left(
    engine: Engine, servers: ContainerServers
) -> None:
    engine.refused = SERVERS["mongo"].image

    with pytest.raises(ExceptionGroup) as failed:
        await servers.start()

    (why,) = failed.value.exceptions
    assert isinstance(why, NotStarted)
    assert re.fullmatch(r"mongo: .*no room for it.*", str(why))
    assert engine.containers == {}
    assert engine.networks == []


def test_an_engine_that_answers_is_enough(engine: Engine) -> None:
    need_engine()
    assert engine.containers == {}


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # docker leaves the socket it tried open
def test_without_an_engine_the_way_to_get_one_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")

    with pytest.raises(Missing, match=r"^no container engine answers at unix:.*: start Docker, "):
        need_engine()
    gc.collect()


def pytest_on_containers(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--stack", "docker", *arguments],
        env=os.environ | environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "no container engine answers at unix:///nowhere/engine.sock: start Docker, "),
        (["--database", "mariadb"], "--stack docker has no mariadb; --stack local has"),
    ],
)
def test_a_run_that_cannot_have_containers_is_refused_with_one_line(
    options: list[str], said: str
) -> None:
    done = pytest_on_containers(
        *options, "scenarios/journeys", DOCKER_HOST="unix:///nowhere/engine.sock"
    )

    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert said in line


@pytest.mark.usefixtures("engine")
def test_the_ports_are_tried_on_what_is_in_the_containers() -> None:
    listed = pytest_on_containers("--collect-only", "-q", "-m", "stack", "contracts/ports")
    bound = {
        (name, adapter)
        for name, adapter in re.findall(r"/test_(\w+)\.py::.*\[(\w+)[\]-]", listed.stdout)
    }

    assert bound == {("log", "kafka"), ("views", "mongo"), ("work", "mysql")}
