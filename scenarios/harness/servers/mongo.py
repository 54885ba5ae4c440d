"""MongoDB where `mongod` is on the PATH, else a Java server that speaks its protocol."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient

from scenarios.harness.servers.common import HOST, Server, knock
from scenarios.harness.servers.java import jars, java

VERSION = "1.47.0"
LAUNCHER = Path(__file__).with_name("MongoLauncher.java")


class Mongo(Server):
    name = "mongo"

    def __init__(self) -> None:
        super().__init__()
        self._mongod = shutil.which("mongod")
        self._version = ""
        self._libs = Path()

    @property
    def genuine(self) -> bool:
        """Whether this is MongoDB itself."""
        return self._mongod is not None

    @property
    def product(self) -> str:
        if self.genuine:
            return f"MongoDB {self._version}"
        return f"mongo-java-server {VERSION} (MongoDB itself: not run here)"

    @property
    def uri(self) -> str:
        return self.uri_at(self.address)

    def uri_at(self, address: str, database: str = "ecommerce") -> str:
        return f"mongodb://{address}/{database}"

    async def fetch(self) -> None:
        if self.genuine:
            return
        self._libs = await jars(
            f"mongo-java-server-{VERSION}",
            f"de.bwaldvogel:mongo-java-server:{VERSION}",
            f"de.bwaldvogel:mongo-java-server-h2-backend:{VERSION}",
        )

    def _command(self, folder: Path) -> Sequence[str | Path]:
        port = str(self.port)
        if self._mongod is not None:
            return (self._mongod, "--bind_ip", HOST, "--port", port, "--dbpath", folder)
        tuned = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        return (java(), *tuned, "-cp", f"{self._libs}/*", LAUNCHER, port, folder / "views.mv")

    async def _greet(self) -> None:
        await knock(self.port)  # a client that finds nobody goes on looking in the background
        client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
            self.uri, serverSelectionTimeoutMS=2000
        )
        try:
            self._version = (await client.server_info())["version"]
        finally:
            await client.close()
