"""`docker-compose.yml`, `Dockerfile` and the CI workflow say what the table of containers says.

No container is started here: there is no engine where these tests run. The workflow does that.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from scenarios.harness import images
from scenarios.harness.images import CONTAINERS, PROXIES, ROLE_ENVIRONMENT, SERVERS, WHERE
from scenarios.harness.servers import kafka, mysql, toxiproxy
from scenarios.repository.markdown import ROOT
from system import healthy
from system.kit.spec import RoleSpec
from system.roles import ROLES
from system.settings import Settings, load_settings

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
ROLE_NAMES = [spec.name for spec in ROLES]
THIS_MACHINE = "127.0.0.1"


def version(image: str) -> tuple[int, ...]:
    """The numbers of an image's tag; it has to have some."""
    _, _, tag = image.rpartition(":")
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", tag)
    assert found is not None, f"{image} is not pinned"
    return tuple(map(int, found.groups()))


# The compose file and the table


def test_the_compose_file_has_exactly_the_containers_of_the_table() -> None:
    assert SERVICES.keys() == CONTAINERS.keys()


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_container_has_the_image_ports_variables_and_command_of_the_table(name: str) -> None:
    wanted, service = CONTAINERS[name], SERVICES[name]

    assert service["image"] == wanted.image
    assert service["ports"] == [f"{THIS_MACHINE}:{own}:{its}" for own, its in wanted.ports.items()]
    variables = {
        key: str(value)
        for key, value in service.get("environment", {}).items()
        if value is not None  # it is passed on where it is set
    }
    assert variables == wanted.environment
    if name in SERVERS:
        assert service.get("command", []) == list(wanted.command)


@pytest.mark.parametrize("spec", ROLES, ids=lambda spec: spec.name)
def test_a_role_is_passed_every_setting_but_those_that_are_the_compose_files_own(
    spec: RoleSpec,
) -> None:
    own = {"HOST", "PORT", "INSTANCE", "MYSQL_DSN", "KAFKA_BROKERS", "MONGO_URI"}
    settings = {str(field.validation_alias) for field in Settings.model_fields.values()}
    given = SERVICES[spec.name]["environment"]
    passed = {name for name, value in given.items() if value is None or f"${{{name}" in str(value)}

    assert passed == settings - own
    assert given.keys() - passed == own - {"INSTANCE"}  # a container's host name tells them apart


@pytest.mark.parametrize("name", SERVERS)
def test_every_image_is_pinned(name: str) -> None:
    assert version(SERVERS[name].image)


def test_no_two_containers_want_one_port() -> None:
    ports = [port for container in CONTAINERS.values() for port in container.ports]

    assert len(ports) == len(set(ports))


def test_toxiproxy_stands_before_the_servers() -> None:
    made = json.loads(COMPOSE["configs"]["toxiproxy"]["content"])

    assert {each["name"]: (each["listen"], each["upstream"]) for each in made} == PROXIES
    assert all(each["enabled"] for each in made)


@pytest.mark.parametrize("name", ["kafka", "mysql", "mongo"])
def test_a_server_is_waited_for_and_keeps_its_data(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]
    (volume,) = SERVICES[name]["volumes"]
    assert volume.partition(":")[0] in COMPOSE["volumes"]


@pytest.mark.parametrize("spec", ROLES, ids=ROLE_NAMES)
def test_a_role_is_one_process_of_our_own_image_with_time_to_stop(spec: Any) -> None:
    service = SERVICES[spec.name]

    assert service["command"] == [spec.name]
    assert service["build"] == "."
    assert service["stop_grace_period"] == "15s"
    assert service["depends_on"] == ["kafka", "mysql", "mongo"]  # started, not healthy


# The table and the system


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    return monkeypatch


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """What compose makes of `${NAME:-default}`."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda m: variables.get(m[1]) or m[2], text)


@pytest.mark.parametrize(
    "where",
    [
        {},
        {"MYSQL_AT": "toxiproxy:3306", "MONGO_AT": "toxiproxy:27017", "KAFKA_AT": "toxiproxy:9092"},
    ],
    ids=["direct", "through Toxiproxy"],
)
@pytest.mark.parametrize("spec", ROLES, ids=ROLE_NAMES)
def test_what_a_role_is_given_are_settings_that_lead_to_the_servers(
    own_environment: pytest.MonkeyPatch, spec: Any, where: Mapping[str, str]
) -> None:
    for name, value in CONTAINERS[spec.name].environment.items():
        own_environment.setenv(name, interpolated(value, where))
    settings = load_settings(env_file=None)
    names = {str(field.validation_alias) for field in Settings.model_fields.values()}
    at = {name: where.get(name, default) for name, default in WHERE.items()}

    assert CONTAINERS[spec.name].environment.keys() <= names
    assert settings.port == spec.port
    assert settings.host == ROLE_ENVIRONMENT["HOST"]
    assert settings.admin_token is None
    url, mysql_has = settings.mysql_url(), SERVERS["mysql"].environment
    assert f"{url.host}:{url.port}" == at["MYSQL_AT"]
    assert url.database == mysql_has["MYSQL_DATABASE"]
    assert (url.username, url.password) == (mysql_has["MYSQL_USER"], mysql_has["MYSQL_PASSWORD"])
    mongo, mongo_has = urlsplit(settings.mongo_uri.get_secret_value()), SERVERS["mongo"].environment
    assert f"{mongo.hostname}:{mongo.port}" == at["MONGO_AT"]
    assert mongo.username == mongo_has["MONGO_INITDB_ROOT_USERNAME"]
    assert mongo.password == mongo_has["MONGO_INITDB_ROOT_PASSWORD"]
    assert settings.kafka_brokers == (at["KAFKA_AT"],)
    assert f"//{at['KAFKA_AT']}" in SERVERS["kafka"].environment["KAFKA_ADVERTISED_LISTENERS"]


@pytest.mark.usefixtures("own_environment")
def test_from_this_machine_the_defaults_lead_to_the_published_ports() -> None:
    settings = load_settings(env_file=None)

    assert settings.mysql_url().port in SERVERS["mysql"].ports
    assert urlsplit(settings.mongo_uri.get_secret_value()).port in SERVERS["mongo"].ports
    assert settings.kafka_brokers == ("localhost:9092",)
    advertised = SERVERS["kafka"].environment["KAFKA_ADVERTISED_LISTENERS"]
    assert "OUTSIDE://localhost:9092" in advertised.split(",")
    assert settings.mysql_dsn.get_secret_value() == interpolated(
        ROLE_ENVIRONMENT["MYSQL_DSN"], {"MYSQL_AT": "localhost:3306"}
    )


def test_what_runs_in_containers_is_what_runs_without() -> None:
    assert SERVERS["kafka"].image == f"apache/kafka:{kafka.VERSION}"
    assert SERVERS["toxiproxy"].image.endswith(f":{toxiproxy.VERSION.removeprefix('v')}")
    assert version(SERVERS["mysql"].image)[:2] >= mysql.LEAST


def test_the_broker_is_set_up_as_the_one_that_runs_without() -> None:
    without = dict(line.split("=", 1) for line in kafka.Kafka().settings(Path()).splitlines())
    of_places = {"listeners", "advertised.listeners", "log.dirs", "node.id"}
    of_places |= {"controller.quorum.voters", "listener.security.protocol.map"}
    named = {
        f"KAFKA_{key.upper().replace('.', '_')}": value
        for key, value in without.items()
        if key not in of_places
    }
    named.pop("KAFKA_INTER_BROKER_LISTENER_NAME")

    assert named.items() <= SERVERS["kafka"].environment.items()


# The image


def test_the_image_is_pinned_and_runs_as_nobody_special() -> None:
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE) == [images.PYTHON] * 2
    assert version(images.PYTHON)
    (user,) = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    assert re.search(rf"useradd .*--uid \d{{5}} .*{user}$", DOCKERFILE, re.MULTILINE)
    assert DOCKERFILE.rindex("USER") < DOCKERFILE.index("ENTRYPOINT")


def test_the_python_of_the_image_is_one_that_the_kit_supports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    least = tuple(map(int, project["requires-python"].removeprefix(">=").split(".")))

    assert version(images.PYTHON)[:2] >= least


def test_what_the_image_is_made_of_is_what_the_engine_is_sent() -> None:
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    sent = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)

    assert "*" in ignored
    assert sent == {name for names in copied for name in names.split()}
    assert all((ROOT / name).exists() for name in sent)


def test_every_port_is_exposed() -> None:
    (exposed,) = re.findall(r"^EXPOSE (.+)$", DOCKERFILE, re.MULTILINE)

    assert [int(port) for port in exposed.split()] == [spec.port for spec in ROLES]


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    """A server that answers everything alike; its port, and what it is asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Be silent."""

    with HTTPServer((THIS_MACHINE, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port, asked
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False)])
def test_the_health_check_asks_the_role_whether_it_is_ready(status: int, *, healthy: bool) -> None:
    (check,) = re.findall(r"^HEALTHCHECK .*\\\n +CMD (\[.+\])$", DOCKERFILE, re.MULTILINE)
    _, *command = json.loads(check)

    with answering(status) as (port, asked):
        done = subprocess.run(
            [sys.executable, *command, "python", "-m", "system", "order-api"],
            env={**os.environ, "PORT": str(port)},
            cwd=ROOT,
            capture_output=True,
            timeout=300,
            check=False,
        )

    assert asked == ["/readyz"]
    assert (done.returncode == 0) is healthy


@pytest.mark.parametrize(
    ("roles", "port", "asked"),
    [
        *(([spec.name], None, [spec.port]) for spec in ROLES),
        (["order-api"], "9000", [9000]),
        ([], None, [spec.port for spec in ROLES]),
        (["--stack", "servers"], None, [spec.port for spec in ROLES]),
        (["apis", "--stack=servers"], None, [8081, 8082, 8083, 8084]),
        (["consumers"], None, [8091, 8092, 8093, 8094]),
        (["user-api", "order-consumer"], None, [8081, 8093]),
    ],
)
def test_the_health_check_knows_the_ports_of_its_container(
    roles: list[str], port: str | None, asked: list[int]
) -> None:
    environment = {} if port is None else {"PORT": port}
    assert healthy.ports(["python", "-m", "system", *roles], environment) == asked


def test_an_unhealthy_container_says_where_it_is_not_ready(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with answering(503) as (port, _), pytest.MonkeyPatch.context() as patch:
        patch.setenv("PORT", str(port))
        assert healthy.main(["system", "user-api"]) == 1
    assert capsys.readouterr().err == f"not ready: {port}\n"


# The workflow, where there is an engine


JOBS: dict[str, Any] = yaml.safe_load(
    (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
)["jobs"]


def test_the_workflow_runs_in_containers_what_the_docs_say() -> None:
    page = (ROOT / "docs" / "stacks.md").read_text("utf-8")
    said = re.findall(r"^python -m pytest --stack docker .*$", page, re.MULTILINE)

    assert said == [JOBS["journeys"]["steps"][-1]["run"]]


def test_the_workflow_takes_the_readmes_first_tour(tmp_path: Path) -> None:
    (tour,) = [
        step["run"]
        for step in JOBS["containers"]["steps"]
        if step.get("name") == "Take the first tour"
    ]
    curl = tmp_path / "curl"
    curl.write_text('#!/bin/sh\necho "$@" | grep -o -e --fail-with-body -e "http://.*"\n', "utf-8")
    curl.chmod(0o755)

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", tour],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )

    said = done.stdout.splitlines()
    assert said.count("--fail-with-body") == 4
    urls = [line.split()[0] for line in said if line.startswith("http")]
    assert [urlsplit(url).path for url in urls] == ["/users", "/products", "/orders", "/orders/1"]
