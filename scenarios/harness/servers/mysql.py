"""MySQL itself, from Debian's unstable suite in a chroot, and MariaDB, from this Debian."""

from __future__ import annotations

import os
import re
import shutil
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import aiomysql

from scenarios.harness.servers.common import (
    HOST,
    Missing,
    NotStarted,
    Server,
    fetched,
    need,
    only_one,
    run,
    say,
)

DATABASE = "ecommerce"
LEAST = (8, 4)
SUITE = "sid"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

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
        connection = await aiomysql.connect(
            host=HOST, port=self.port, user=user, password=DATABASE if user == DATABASE else ""
        )
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(statement)
        finally:
            connection.close()

    async def _greet(self) -> None:
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
        self._root = Path()

    async def fetch(self) -> None:
        if os.geteuid() != 0:
            raise Missing(
                f"not root: MySQL itself runs here in a chroot with Debian's {SUITE};"
                " run as root, or take MariaDB, or name a server by its address"
            )
        self._root = await fetched(f"mysql-debian-{SUITE}", self._bootstrap)

    async def _bootstrap(self, folder: Path) -> None:
        await _installed(debootstrap="debootstrap")
        mirror = await _mirror()
        # In a mount namespace of its own: were it killed, its mounts of /proc would be gone
        # with it, and deleting the folder could not reach through them.
        apart = ("unshare", "--mount", "--propagation=private")
        what = ("--variant=minbase", f"--keyring={KEYRING}", "--include=mysql-server-core")
        try:
            await run(*apart, "debootstrap", *what, SUITE, folder, mirror)
        except Missing as error:
            raise Missing(f"Debian's {SUITE} cannot give MySQL today: {error}") from error
        await run("chroot", folder, "useradd", "--system", "--no-create-home", "mysql")
        shutil.rmtree(folder / "var/cache/apt/archives", ignore_errors=True)

    def _folders(self) -> Path:
        """Inside the chroot, or the server could not see them."""
        return self._root / "var/tmp"

    async def _prepare(self, folder: Path) -> None:
        (folder / "init.sql").write_text(INIT)
        inside = self._inside(folder)
        await run("chroot", self._root, "chown", "-R", "mysql:", inside, bound_s=60)
        initialize = ("--initialize-insecure", f"--datadir={inside}/data")
        await run(*self._mysqld(), *initialize, bound_s=120)

    def _command(self, folder: Path) -> Sequence[str | Path]:
        inside = self._inside(folder)
        options = self._options(f"{inside}/data", f"{inside}/init.sql")
        return (*self._mysqld(), *options, "--mysqlx=OFF")

    def _mysqld(self) -> tuple[str | Path, ...]:
        # Linux forgets whom to die with when a process changes its user, so setpriv says it
        # again, inside, after it did.
        user = ("setpriv", "--reuid=mysql", "--regid=mysql", "--clear-groups", "--pdeathsig=KILL")
        mysqld = ("/usr/sbin/mysqld", "--no-defaults", "--secure-file-priv=NULL")
        return ("chroot", self._root, *user, *mysqld)

    def _inside(self, folder: Path) -> str:
        return f"/{folder.relative_to(self._root)}"

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
        await _installed(mariadbd="mariadb-server-core", my_print_defaults="mariadb-client-core")

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


async def _installed(**packages: str) -> None:
    """Install the Debian packages (program="package") whose programs are not here."""
    absent = {program: package for program, package in packages.items() if not _is_here(program)}
    if not absent:
        return
    how = f"apt-get install {' '.join(absent.values())}"
    if os.geteuid() != 0:
        raise Missing(f"{', '.join(absent)}: not on the PATH, and only root can install it: {how}")
    apt = need("apt-get", f"this is no Debian; get {', '.join(absent)} in your system's own way")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    async with only_one("apt"):
        say(how)
        await run(apt, "update", "-qq", env=quiet)
        await run(
            *(apt, "install", "-y", "-qq", "--no-install-recommends", *absent.values()), env=quiet
        )


def _is_here(program: str) -> bool:
    try:
        need(program, "")
    except Missing:
        return False
    return True


async def _mirror() -> str:
    """The mirror that this Debian's own packages come from."""
    sites = await run(
        *("apt-get", "indextargets", "--format", "$(REPO_URI)"),
        *("Created-By: Packages", "Origin: Debian", "Label: Debian"),
        bound_s=60,
    )
    if not sites.strip():
        raise Missing("apt knows no Debian mirror: see its sources, then run apt-get update")
    return sites.split()[0]
