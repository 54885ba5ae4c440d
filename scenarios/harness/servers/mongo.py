"""The views' server: MongoDB itself, or one that speaks its protocol.

The best that this machine can have is taken: `mongod` where it is on the PATH; as root, DocumentDB
through FerretDB; else a Java server, which needs no root and keeps up with less.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scenarios.harness.servers.common import HOST, Server, fetched, knock, need, run
from scenarios.harness.servers.java import jars, java
from scenarios.harness.servers.postgres import PostgreSQL

JAVA_VERSION = "1.47.0"
LAUNCHER = Path(__file__).with_name("MongoLauncher.java")
FERRET_VERSION = "v2.7.0"
FERRET_MODULE = "github.com/FerretDB/FerretDB/v2/cmd/ferretdb"
DATABASE = "ecommerce"
USER = "admin"
"""And its password, as in the seed."""


class Mongo(Server):
    """A server to which MongoDB's own clients can talk."""

    name = "mongo"

    def __init__(self) -> None:
        super().__init__()
        self._version = ""

    @property
    def uri(self) -> str:
        return self.uri_at(self.address)

    def uri_at(self, address: str, database: str = DATABASE) -> str:
        return f"mongodb://{address}/{database}"

    async def _greet(self) -> None:
        await knock(self.port)  # a client that finds nobody goes on looking in the background
        from pymongo import AsyncMongoClient  # noqa: PLC0415 - used nowhere else

        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            self.uri, serverSelectionTimeoutMS=2000
        )
        async with client:
            # one that only stands before a database would say its version without it
            await client.get_default_database().list_collection_names()
            self._version = (await client.server_info())["version"]


class Mongod(Mongo):
    """MongoDB, where it was installed by hand: no registry has it."""

    @property
    def product(self) -> str:
        return f"MongoDB {self._version}"

    async def fetch(self) -> None:
        need("mongod", "install MongoDB")

    def _command(self, folder: Path) -> Sequence[str | Path]:
        mongod = need("mongod", "install MongoDB")
        return (mongod, "--bind_ip", HOST, "--port", str(self.port), "--dbpath", folder)


class DocumentDB(Mongo):
    """FerretDB, which speaks MongoDB's protocol, before PostgreSQL with DocumentDB's engine.

    Two processes with one life. It asks for a password, as the compose file's MongoDB does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.postgres = PostgreSQL()
        self._folder = Path()

    @property
    def product(self) -> str:
        return f"DocumentDB {self.postgres.extension} through FerretDB {FERRET_VERSION}"

    def uri_at(self, address: str, database: str = DATABASE) -> str:
        return f"mongodb://{USER}:{USER}@{address}/{database}?authSource=admin"

    async def fetch(self) -> None:
        async def build(folder: Path) -> None:
            go = need("go", "install Go, at least 1.25")
            own = {"GOBIN": str(folder), "CGO_ENABLED": "0"}
            await run(go, "install", f"{FERRET_MODULE}@{FERRET_VERSION}", env=own)

        await self.postgres.fetch()
        self._folder = await fetched(f"ferretdb-{FERRET_VERSION}", build)

    async def start(self) -> None:
        await self.postgres.start()
        try:
            await self.postgres.ensure_user(USER, USER)
            await super().start()
        except BaseException:  # also Ctrl-C: leave no process and no folder behind
            await self.postgres.stop()
            raise

    def _command(self, folder: Path) -> Sequence[str | Path]:
        url = f"{self.postgres.url()}?pool_max_conns=200"
        where = (
            f"--listen-addr={self.address}",
            f"--state-dir={folder}",
            f"--postgresql-url={url}",
        )
        quiet = ("--telemetry=disable", "--debug-addr=-", "--log-level=error")
        return (self._folder / "ferretdb", *where, *quiet)

    async def kill(self) -> None:
        await super().kill()
        await self.postgres.kill()

    async def stop(self) -> None:
        await super().kill()  # asked politely, it waits for its clients; its data go anyway
        await super().stop()
        await self.postgres.kill()
        await self.postgres.stop()


class JavaMongo(Mongo):
    """A stand-in that needs Java alone."""

    def __init__(self) -> None:
        super().__init__()
        self._libs = Path()

    @property
    def product(self) -> str:
        return f"mongo-java-server {JAVA_VERSION}"

    async def fetch(self) -> None:
        self._libs = await jars(
            f"mongo-java-server-{JAVA_VERSION}",
            f"de.bwaldvogel:mongo-java-server:{JAVA_VERSION}",
            f"de.bwaldvogel:mongo-java-server-h2-backend:{JAVA_VERSION}",
        )

    def _command(self, folder: Path) -> Sequence[str | Path]:
        tuned = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        library = ("-cp", f"{self._libs}/*")
        return (java(), *tuned, *library, LAUNCHER, str(self.port), folder / "views.mv")


VIEWS: dict[str, type[Mongo]] = {
    "mongod": Mongod,
    "documentdb": DocumentDB,
    "java": JavaMongo,
}


def best_views() -> str:
    """Which of VIEWS this machine can have."""
    if shutil.which("mongod") is not None:
        return "mongod"
    return "documentdb" if os.geteuid() == 0 else "java"
