"""PostgreSQL with DocumentDB, Debian's package of the engine that speaks BSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from scenarios.harness.servers.common import HOST, Missing, Server, run
from scenarios.harness.servers.debian import Chroot

MAJOR = 18
SUPERUSER = "postgres"
ROLES = ("clusterAdmin", "readWriteAnyDatabase")
"""What a user may do; the engine grants no other pair."""


class PostgreSQL(Server):
    """It trusts who comes from this machine. It needs root: for debootstrap, and the chroot."""

    name = "postgres"

    def __init__(self) -> None:
        super().__init__()
        package = f"postgresql-{MAJOR}-documentdb"
        elsewhere = "take the Java server, or name a server by its address"
        self._chroot = Chroot("documentdb", package, SUPERUSER, instead=elsewhere)
        self._version = ""
        self.extension = ""
        """DocumentDB's own version."""

    @property
    def product(self) -> str:
        return f"PostgreSQL {self._version} with DocumentDB {self.extension}"

    def url(self, database: str = SUPERUSER) -> str:
        return f"postgres://{SUPERUSER}@{self.address}/{database}"

    async def fetch(self) -> None:
        await self._chroot.fetch()

    def _folders(self) -> Path:
        return self._chroot.folders

    async def _prepare(self, folder: Path) -> None:
        await self._chroot.hand_over(folder)
        how = ("-A", "trust", "-U", SUPERUSER, "--locale=C.UTF-8", "-E", "UTF8", "--no-sync")
        await run(*self._program("initdb", "-D", self._data(folder), *how), bound_s=60)

    def _command(self, folder: Path) -> Sequence[str | Path]:
        options = {
            "port": self.port,
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "max_connections": 300,
            "shared_buffers": "64MB",
            "shared_preload_libraries": "pg_cron,pg_documentdb_core,pg_documentdb",
            "cron.database_name": SUPERUSER,
            "cron.host": HOST,
            "documentdb.localhost_connection_string": f"host={HOST}",
            # else an index is built by a job that looks once in a while
            "documentdb.force_index_builds_blocking": "on",
            "recovery_init_sync_method": "syncfs",
        }
        said = [f"-c{name}={value}" for name, value in options.items()]
        return self._program("postgres", "-D", self._data(folder), *said)

    async def _greet(self) -> None:
        await self.run("CREATE EXTENSION IF NOT EXISTS documentdb CASCADE")
        version = "SELECT current_setting('server_version')"
        self._version = (await self.run(version)).split()[0]
        self.extension = await self.run(
            "SELECT extversion FROM pg_extension WHERE extname = 'documentdb'"
        )

    async def run(self, statement: str) -> str:
        """Run a statement as the superuser; what it gives, as text. Raises OSError."""
        where = ("-h", HOST, "-p", str(self.port), "-U", SUPERUSER, "-d", SUPERUSER)
        how = ("-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-c", statement)
        try:
            return (await run(*self._program("psql", *where, *how), bound_s=60)).strip()
        except Missing as failure:
            raise OSError(str(failure)) from failure

    async def ensure_user(self, name: str, password: str) -> None:
        """Let this user of DocumentDB do everything. A new start finds it there."""
        if name not in (await self.run("SELECT rolname FROM pg_roles")).split():
            roles = [{"role": role, "db": "admin"} for role in ROLES]
            user = json.dumps({"createUser": name, "pwd": password, "roles": roles})
            await self.run(f"SELECT documentdb_api.create_user('{user}')")

    def _program(self, name: str, *arguments: str) -> Sequence[str | Path]:
        return self._chroot.command(f"/usr/lib/postgresql/{MAJOR}/bin/{name}", *arguments)

    def _data(self, folder: Path) -> str:
        return f"{self._chroot.inside(folder)}/data"
