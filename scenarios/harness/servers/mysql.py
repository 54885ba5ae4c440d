"""MySQL itself, from Debian's unstable suite in a chroot, and MariaDB, from this Debian."""

from __future__ import annotations

import os
import re
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from scenarios.harness.servers.common import HOST, NotStarted, Server, need, run
from scenarios.harness.servers.debian import Chroot, installed

DATABASE = "ecommerce"
LEAST = (8, 4)

# Run at every start, so it can be run again. An anonymous user of localhost would shadow '%'.
INIT = "\n".join(
    [
        f"CREATE DATABASE IF NOT EXISTS {DATABASE};",
        *(
            line
            for host in ("localhost", HOST, "%")
            for line in (
                f"CREATE USER IF NOT EXISTS '{DATABASE}'@'{host}' IDENTIFIED BY '{DATABASE}';",
                f"GRANT ALL ON `{DATABASE}%`.* TO '{DATABASE}'@'{host}';",
            )
        ),
    ]
)


class Sql(Server):
    """A server with an empty database `ecommerce`, and a user of that name and password.

    The user may also make and drop databases whose names begin with `ecommerce`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.version = ""

    @property
    def product(self) -> str:
        return f"{self._brand} {self.version}"

    @property
    @abstractmethod
    def _brand(self) -> str: ...

    def dsn(self, address: str | None = None, database: str = DATABASE) -> str:
        """The data source name in the form of Go's driver."""
        user = f"{DATABASE}:{DATABASE}"
        return f"{user}@tcp({address or self.address})/{database}?parseTime=true"

    @asynccontextmanager
    async def scratch(self) -> AsyncIterator[str]:
        """The name of one more database, empty, and dropped in the end."""
        name = f"{DATABASE}_{uuid4().hex[:12]}"
        await self.run(f"CREATE DATABASE {name}")
        try:
            yield name
        finally:
            await self.run(f"DROP DATABASE {name}")

    async def run(self, statement: str, *, user: str = DATABASE) -> None:
        """Run a statement as this user: the system's own, or `root`."""
        await self.ask(statement, user=user)

    async def ask(
        self, statement: str, *, user: str = DATABASE, uncommitted: bool = False
    ) -> object:
        """The same; what a statement of one row and column answers.

        `uncommitted` sees rows of open transactions, too.
        """
        import aiomysql  # noqa: PLC0415 - a command is told what to install, if it is not

        connection = await aiomysql.connect(
            host=HOST, port=self.port, user=user, password=DATABASE if user == DATABASE else ""
        )
        try:
            async with connection.cursor() as cursor:
                if uncommitted:
                    await cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED")
                await cursor.execute(statement)
                row = await cursor.fetchone()
                return row[0] if row else None
        finally:
            connection.close()

    async def _greet(self) -> None:
        import aiomysql  # noqa: PLC0415 - a command is told what to install, if it is not

        connection = await aiomysql.connect(
            host=HOST, port=self.port, user=DATABASE, password=DATABASE, db=DATABASE
        )
        try:
            async with connection.cursor() as cursor:
                await cursor.execute("SELECT VERSION()")
                (self.version,) = await cursor.fetchone()
        finally:
            connection.close()
        self._check(self.version)

    def _check(self, version: str) -> None:
        """Refuse a version that is not what was promised."""

    def _options(self, data: str, init: str) -> Sequence[str]:
        return (
            f"--datadir={data}",
            f"--init-file={init}",
            f"--port={self.port}",
            f"--bind-address={HOST}",
            f"--socket={data}.sock",
            "--max-connections=1000",
        )


class MySQL(Sql):
    """Oracle's MySQL. It needs root: for debootstrap, and to enter the chroot."""

    name = "mysql"
    _brand = "MySQL"

    def __init__(self) -> None:
        super().__init__()
        elsewhere = "take MariaDB, or name a server by its address"
        self._chroot = Chroot("mysql", "mysql-server-core", "mysql", instead=elsewhere)

    async def fetch(self) -> None:
        await self._chroot.fetch()

    def _folders(self) -> Path:
        return self._chroot.folders

    async def _prepare(self, folder: Path) -> None:
        (folder / "init.sql").write_text(INIT)
        await self._chroot.hand_over(folder)
        data = f"--datadir={self._chroot.inside(folder)}/data"
        await run(*self._mysqld("--initialize-insecure", data), bound_s=120)

    def _command(self, folder: Path) -> Sequence[str | Path]:
        inside = self._chroot.inside(folder)
        options = self._options(f"{inside}/data", f"{inside}/init.sql")
        return self._mysqld(*options, "--mysqlx=OFF")

    def _mysqld(self, *options: str) -> Sequence[str | Path]:
        own = ("--no-defaults", "--secure-file-priv=NULL")
        return self._chroot.command("/usr/sbin/mysqld", *own, *options)

    def _check(self, version: str) -> None:
        found = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
        if found < LEAST:
            raise NotStarted(f"MySQL {version} is older than {LEAST[0]}.{LEAST[1]}")


class MariaDB(Sql):
    """MariaDB of the Debian that this runs on."""

    name = "mariadb"
    _brand = "MariaDB"

    async def fetch(self) -> None:
        # The packages without a service: nothing starts by itself.
        await installed(mariadbd="mariadb-server-core", my_print_defaults="mariadb-client-core")

    async def _prepare(self, folder: Path) -> None:
        (folder / "init.sql").write_text(INIT)
        install = need("mariadb-install-db", "apt-get install mariadb-server-core")
        options = ("--auth-root-authentication-method=normal", "--skip-test-db")
        where = f"--datadir={folder}/data"
        await run(install, "--no-defaults", *self._user(), *options, where, bound_s=60)

    def _command(self, folder: Path) -> Sequence[str | Path]:
        server = need("mariadbd", "apt-get install mariadb-server-core")
        options = self._options(f"{folder}/data", f"{folder}/init.sql")
        return (server, "--no-defaults", *self._user(), *options)

    def _user(self) -> tuple[str, ...]:
        """As root it wants to be told so."""
        return ("--user=root",) if os.geteuid() == 0 else ()
