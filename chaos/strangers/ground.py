"""What a stranger stands on: the servers that it needs, a port for each process, a proxy on each line."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from chaos.kit.blackbox import Process, Stranger
from chaos.strangers.adapters import BadAdapter
from scenarios.harness.servers import VIEWS, Kafka, MariaDB, Mongo, MySQL, Server, Sql, Toxiproxy
from scenarios.harness.servers import best_views as best_mongo
from scenarios.harness.servers.common import HOST, free_port
from scenarios.harness.servers.mysql import DATABASE
from scenarios.harness.servers.postgres import SUPERUSER, PostgreSQL

_PLACEHOLDER = re.compile(
    r"\{(kafka|mongo(?::\w+)?|port|(?:mysql|postgres)\.\w+(?::\w+)?|url:[\w.-]+)\}"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A connection of a process to a server or to another process, behind a proxy of its own.

    Kafka tells its clients where to connect to, so all processes share one line to it.
    """

    process: str
    """Empty: of all."""
    to: str
    port: int

    @property
    def name(self) -> str:
        return f"{self.process}-{self.to}" if self.process else self.to

    def __str__(self) -> str:
        return f"the line of {self.process or 'all processes'} to {self.to}"


class Ground:
    """Servers and lines, from `start` to `stop`."""

    def __init__(self, stranger: Stranger) -> None:
        """Raises BadAdapter when a command has a placeholder that cannot be filled."""
        self.stranger = stranger
        self.toxiproxy = Toxiproxy()
        self._kafka_proxy = free_port()
        self.kafka = Kafka(proxied_port=self._kafka_proxy)
        self._servers: dict[str, Server] = {}
        for name in stranger.needs:
            self._servers[name] = self._server(name)
        self.ports = {process.name: free_port() for process in stranger.processes}
        self.lines: dict[str, Line] = {}
        self._databases: set[tuple[Sql | PostgreSQL, str]] = set()
        if "kafka" in self._servers:
            self._line("", "kafka")
        for process in stranger.processes:
            self.command(process)
            self.environment(process)

    def _server(self, name: str) -> Server:
        match name:
            case "kafka":
                return self.kafka
            case "mysql":
                return MySQL()
            case "mariadb":
                return MariaDB()
            case "mongo":
                return VIEWS[best_mongo()]()
            case "postgres":
                return PostgreSQL()
        raise BadAdapter(f"needs {name!r}; there are kafka, mysql, mariadb, mongo and postgres")

    # --- what commands are filled with ------------------------------------------------------------

    def command(self, process: Process) -> list[str]:
        return [self._fill(process, word) for word in process.argv]

    def environment(self, process: Process) -> dict[str, str]:
        return {name: self._fill(process, value) for name, value in process.env.items()}

    def _fill(self, process: Process, text: str) -> str:
        return _PLACEHOLDER.sub(lambda found: self._value(process, found[1]), text)

    def _value(self, process: Process, name: str) -> str:
        if name == "port":
            return str(self.ports[process.name])
        if name.startswith("url:"):
            other = name.removeprefix("url:")
            if other not in self.ports:
                raise BadAdapter(f"{process.name}: {{{name}}}, and there is no process {other!r}")
            return f"http://{HOST}:{self._line(process.name, other).port}"
        name, _, own = name.partition(":")
        kind, _, part = name.partition(".")
        server = self._of(process, kind)
        if isinstance(server, Kafka):
            return f"{HOST}:{self._kafka_proxy}"
        line = self._line(process.name, kind)
        if isinstance(server, Mongo):
            return server.uri_at(f"{HOST}:{line.port}", own or DATABASE)
        login = DATABASE if isinstance(server, Sql) else SUPERUSER
        values = {"host": HOST, "port": str(line.port), "user": login, "password": login}
        values["database"] = f"{DATABASE}_{own}" if own else login
        if own and part == "database" and isinstance(server, Sql | PostgreSQL):
            self._databases.add((server, values["database"]))
        if part not in values or (own and part != "database"):
            raise BadAdapter(
                f"{process.name}: {{{name}}} is unknown; there are {', '.join(values)}, database:NAME"
            )
        return values[part]

    def _of(self, process: Process, kind: str) -> Server:
        for name in (kind, "mariadb") if kind == "mysql" else (kind,):
            if name in self._servers:
                return self._servers[name]
        raise BadAdapter(f"{process.name}: wants {kind}, which is not among `needs`")

    def _line(self, process: str, to: str) -> Line:
        port = self._kafka_proxy if to == "kafka" else 0
        found = Line(process, to, port)
        if found.name not in self.lines:
            self.lines[found.name] = found if port else Line(process, to, free_port())
        return self.lines[found.name]

    # --- life -------------------------------------------------------------------------------------

    def _all(self) -> Iterator[Server]:
        yield from self._servers.values()
        yield self.toxiproxy

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.TaskGroup() as tasks:
                for server in self._all():
                    tasks.create_task(server.start())
            for server, database in self._databases:
                await server.run(f"CREATE DATABASE {database}")
            for line in self.lines.values():
                await self.toxiproxy.proxy(line.name, self.upstream(line), port=line.port)
        except BaseException:  # also Ctrl-C: leave no process and no folder behind
            await self._stop()
            raise
        return self

    def upstream(self, line: Line) -> str:
        """What stands behind its proxy."""
        if line.to in self.ports:
            return f"{HOST}:{self.ports[line.to]}"
        if line.to == "kafka":
            return self.kafka.behind_proxy
        server = self._servers.get(line.to) or self._servers["mariadb"]
        return server.address

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        await asyncio.gather(*(server.stop() for server in self._all()), return_exceptions=True)
