"""A proxy stands on each line before a process is started, and what cannot be begun is taken down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from chaos.strangers import ground
from chaos.strangers.adapters import load
from chaos.strangers.ground import Ground


class Server:
    """A server that only notes what is done to it."""

    address = "server:1"
    behind_proxy = "server:2"
    done: ClassVar[list[str]] = []
    proxies: ClassVar[dict[str, tuple[str, int]]] = {}
    fails: ClassVar[str] = ""

    def __init__(self, proxied_port: int = 0) -> None:
        self.name = type(self).__name__
        self.port = proxied_port

    async def start(self) -> None:
        self.done.append(f"{self.name} starts")
        if self.name == self.fails:
            raise OSError(self.name)

    async def stop(self) -> None:
        self.done.append(f"{self.name} stops")


class Kafka(Server): ...


class MySQL(Server): ...


class MariaDB(MySQL): ...


class Toxiproxy(Server):
    async def proxy(self, name: str, upstream: str, *, port: int) -> str:
        self.done.append(f"proxy {name}")
        self.proxies[name] = upstream, port
        return f"127.0.0.1:{port}"


@pytest.fixture(autouse=True)
def _servers_that_only_note(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for server in (Kafka, MySQL, MariaDB, Toxiproxy):
        monkeypatch.setattr(ground, server.__name__, server)
    monkeypatch.setattr(ground, "Sql", MySQL)
    yield
    Server.done.clear()
    Server.proxies.clear()
    Server.fails = ""


async def test_each_line_has_its_proxy_at_the_port_that_processes_are_told() -> None:
    naive, _ = load("naive")

    async with Ground(naive) as begun:
        assert Server.proxies == {
            name: (begun.upstream(line), line.port) for name, line in begun.lines.items()
        }
        assert len(Server.proxies) == 4
        assert [step for step in Server.done if step.endswith("stops")] == []

    assert sorted(step for step in Server.done if step.endswith("stops")) == STOPPED


STOPPED = ["Kafka stops", "MySQL stops", "Toxiproxy stops"]


@pytest.mark.parametrize("fails", ["Kafka", "MySQL", "Toxiproxy"])
async def test_where_a_server_does_not_start_none_is_left_behind(fails: str) -> None:
    Server.fails = fails
    naive, _ = load("naive")

    with pytest.raises(ExceptionGroup):
        async with Ground(naive):
            raise AssertionError("it has begun")

    assert sorted(step for step in Server.done if step.endswith("stops")) == STOPPED
